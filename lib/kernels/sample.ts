import { callKernel, type Repeat } from './call.js';

export interface SampleArguments extends Repeat {
  /** (V,) */
  logits: Float32Array;
  /** 1; 0 takes the highest logit, the smallest id among equals. */
  temperature?: number;
  /** The k highest logits, and equals of the k-th; 0: all. */
  topK?: number;
  /** The most probable ids that have this probability together; 1: all. */
  topP?: number;
  /** Ids with at least this share of the highest probability; 0: all. */
  minP?: number;
  /** Divides positive logits of ids in `seen` and multiplies negative ones; 1: off. */
  repetitionPenalty?: number;
  seen?: Int32Array;
  /** The draw: a uniform number in 0 … 1. */
  unit?: number;
}

/**
 * The next token, in transformers' order: penalty, temperature, top-k, top-p, min-p, one draw. `logprob` is that of the id under
 * softmax(logits / temperature), without penalty and before cutting; NaN where the logits have no distribution.
 */
export function sample(args: SampleArguments) {
  return callKernel<{ id: number; logprob: number; seconds?: number }>('sample', args);
}
