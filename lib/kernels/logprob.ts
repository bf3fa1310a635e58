import type { Variant } from '../native.js';
import { callKernel, type KernelOptions, type Repeat } from './call.js';

interface Common extends Repeat {
  /** (R, columns) */
  hidden: Float32Array;
  /** (vocabulary, columns) */
  weight: Float32Array;
  /** (R,) ids */
  targets: Int32Array;
  vocabulary: number;
  columns: number;
  /** (vocabulary,) added to the logits. */
  bias?: Float32Array;
  /** c of c tanh(z / c) on the logits; 0: none. */
  softcap?: number;
  dtype?: 'f32' | 'bf16';
}

export interface LogprobArguments extends Common {
  /** Also return the entropy of each row's distribution, in nats. */
  entropy?: boolean;
  /** Also return the mean logit of each row. */
  mean?: boolean;
  /** (R, K) ids, as many a row: also return their log-probabilities, `candidates`. */
  candidates?: Int32Array;
  /** Also return the likeliest ids of each row and their log-probabilities, descending: 1 to the vocabulary's size, 4096 at most. */
  topK?: number;
}

export interface LogprobBackwardArguments extends Common {
  /** (R,) of the forward pass; `entropy` where `gEntropy` is given. */
  lse: Float32Array;
  entropy?: Float32Array;
  /** (R,) gradients of the loss with respect to logprob, lse, entropy and mean. */
  g: Float32Array;
  gLse?: Float32Array;
  gEntropy?: Float32Array;
  gMean?: Float32Array;
  /** (R, K) ids, their log-probabilities of the forward pass, and the gradients of the loss by those. */
  candidates?: Int32Array;
  candidateLogprob?: Float32Array;
  gCandidates?: Float32Array;
  /** Also return the gradient of the weights, and of the bias. */
  dweight?: boolean;
}

export interface LogprobResult {
  logprob: Float32Array;
  lse: Float32Array;
  entropy?: Float32Array;
  mean?: Float32Array;
  /** (R, K) */
  candidates?: Float32Array;
  /** (R, topK), descending; of equal ones the lower id first. */
  topIds?: Int32Array;
  topLogprob?: Float32Array;
  seconds?: number;
}

/**
 * Log-probability of each row's target under softmax(hidden weightᵀ), and log-sum-exp, entropy and mean of the logits, each (R,). The logits
 * (R, vocabulary) never exist (fused linear cross-entropy: Wijmans et al. 2024).
 */
export function logprob(args: LogprobArguments, options?: KernelOptions) {
  return callKernel<LogprobResult>('logprob', args, options);
}

/** Gradients of `logprob`: dhidden (R, columns), dweight (vocabulary, columns), dbias (vocabulary,). */
export function logprobBackward(args: LogprobBackwardArguments, options?: KernelOptions) {
  return callKernel<{ dhidden: Float32Array; dweight?: Float32Array; dbias?: Float32Array; seconds?: number }>(
    'logprob_backward',
    args,
    options,
  );
}

/**
 * How `logprob` is cut on a machine with these caches: rows per pass, rows per block for so many rows and threads (and where the `topK` likeliest
 * are sought), vocabulary columns per part.
 */
export function logprobPlan(args: {
  isa: Variant;
  dtype: 'f32' | 'bf16';
  columns: number;
  l1?: number;
  l2?: number;
  rows?: number;
  vocabulary?: number;
  threads?: number;
  topK?: number;
}) {
  return callKernel<{
    rows: number;
    gradientRows: number;
    chunk: number;
    part: number;
    evenRows: number;
    topRows: number;
    byParts: boolean;
  }>('logprob_plan', args);
}
