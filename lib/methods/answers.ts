/**
 * From tokens to sequences and back: log-probabilities are summed over each answer, and a derivative by such a sum goes to each of its tokens.
 * Symbols: N trained tokens, S sequences. Prompt tokens that stand before an answer (`promptTokens`) are no part of it.
 */
import type { Columns, Numbers } from './columns.js';

type Layout = Pick<Columns, 'sequenceStarts' | 'promptTokens'>;

/** Tokens of an answer beyond its first `full` weigh `weight` in its sum. */
export interface Tail {
  full: number;
  weight: number;
}
const NO_TAIL: Tail = { full: Number.POSITIVE_INFINITY, weight: 1 };

/** Index of the first token of answer s. */
const answerStart = ({ sequenceStarts, promptTokens }: Layout, s: number) => sequenceStarts[s]! + (promptTokens?.[s] ?? 0);

/** (S) tokens of each answer. */
export function answerLengths(layout: Layout): Int32Array {
  const lengths = new Int32Array(layout.sequenceStarts.length - 1);
  return lengths.map((_, s) => layout.sequenceStarts[s + 1]! - answerStart(layout, s));
}

/** Sum of (N) `values` over answer s. */
export function answerSum(layout: Layout, values: Numbers, s: number, { full, weight }: Tail = NO_TAIL): number {
  const from = answerStart(layout, s);
  let sum = 0;
  for (let i = from; i < layout.sequenceStarts[s + 1]!; i++) sum += (i - from < full ? 1 : weight) * values[i]!;
  return sum;
}

/** (S) sum of (N) `values` over each answer. */
export function answerSums(layout: Layout, values: Numbers): Float64Array {
  return new Float64Array(layout.sequenceStarts.length - 1).map((_, s) => answerSum(layout, values, s));
}

/** (S) mean of (N) `values` over each answer; 0 for an empty one. */
export function answerMeans(layout: Layout, values: Numbers): Float64Array {
  const lengths = answerLengths(layout);
  return answerSums(layout, values).map((sum, s) => sum / Math.max(1, lengths[s]!));
}

/** Adds a derivative by the sum of answer s to the derivatives by its tokens (N). */
export function addToAnswer(gradient: Float64Array, layout: Layout, s: number, bySum: number, { full, weight }: Tail = NO_TAIL): void {
  const from = answerStart(layout, s);
  for (let i = from; i < layout.sequenceStarts[s + 1]!; i++) gradient[i]! += (i - from < full ? 1 : weight) * bySum;
}

/** Adds a derivative by the sum of each answer (S) to the derivatives by its tokens (N). */
export function addToTokens(gradient: Float64Array, layout: Layout, bySum: Float64Array): void {
  bySum.forEach((slope, s) => {
    addToAnswer(gradient, layout, s, slope);
  });
}

/** What `LossOutput` wants: single precision, divided by the step's divisor. */
export const divided = (gradient: Float64Array, divisor: number) => Float32Array.from(gradient, (value) => value / divisor);
