/**
 * The chosen answers' negative log-likelihood beside a preference: -Σ log π(y_w,t) / tokens, over all trained tokens of the first sequence of each
 * group (with their prompts where those are given). The divisor of the step counts pairs, so that the sum is scaled by pairs / tokens.
 */
import { groupStarts } from '../columns.js';
import type { Metric, SequenceInput } from '../method.js';

/** Adds weight × derivative to `byToken` (N) -> the part of lossSum, and the mean itself as a metric. */
export function addLikelihood(input: SequenceInput, weight: number, byToken: Float64Array): { lossSum: number; nll: Metric } {
  const { sequenceStarts, logprob, divisor, counts } = input;
  const scale = (weight * divisor) / Math.max(1, counts.chosenTokens);
  let [sum, count] = [0, 0];
  for (const s of groupStarts(input.group).slice(0, -1)) {
    for (let i = sequenceStarts[s]!; i < sequenceStarts[s + 1]!; i++) {
      sum -= logprob[i]!;
      byToken[i]! -= scale;
    }
    count += sequenceStarts[s + 1]! - sequenceStarts[s]!;
  }
  return { lossSum: scale * sum, nll: { sum, count } };
}
