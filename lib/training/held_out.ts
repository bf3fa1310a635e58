/** Evaluation on held-out rows while training, and what is remembered of it. */
import { microBatches, packBatch, type Tokens } from '../data/index.js';
import { WorkError } from '../errors/index.js';
import type { NativeModel } from '../native.js';
import type { EvaluationEvent } from './events.js';

/** Mean nats over the trained tokens of held-out rows, at `step`. */
export async function evaluateHeldOut(
  native: NativeModel,
  heldOut: readonly Tokens[],
  passTokens: number,
  step: number,
): Promise<EvaluationEvent> {
  let [sum, tokens] = [0, 0];
  for (const group of microBatches(heldOut, [...heldOut.keys()], passTokens)) {
    const { logprob } = await native.forward(packBatch(heldOut, group));
    for (const value of logprob) sum -= value;
    tokens += logprob.length;
  }
  if (!Number.isFinite(sum))
    throw new WorkError('loss_not_finite', `the held-out nats are ${sum / tokens} after step ${step}; lower train.learningRate`);
  return { event: 'evaluation', step, nll: sum / tokens, perplexity: Math.exp(sum / tokens), tokens };
}

/** The best evaluation so far, and how many came since without a better one. */
export interface Best {
  step: number;
  nll: number;
  since: number;
}

/** Takes a new evaluation into account. `minimum`: the least fall of the nats that counts as better. */
export function betterOf(best: Best | undefined, { step, nll }: EvaluationEvent, minimum: number): Best {
  const isBetter = best === undefined || nll < best.nll - minimum;
  return isBetter ? { step, nll, since: 0 } : { ...best, since: best.since + 1 };
}
