/**
 * From tokens to sequences and back: log-probabilities are summed over each answer, and a derivative by such a sum goes to each of its tokens.
 * Symbols: N trained tokens, S sequences. Prompt tokens that stand before an answer (`promptTokens`) are no part of it.
 */
import type { Columns, Numbers } from './columns.js';

type Layout = Pick<Columns, 'sequenceStarts' | 'promptTokens'>;

/** Tokens of an answer beyond its first `full[s]` weigh `weight` in its sum. */
export interface Tail {
  full: Int32Array;
  weight: number;
}

/** Index of the first token of answer s. */
const answerStart = ({ sequenceStarts, promptTokens }: Layout, s: number) => sequenceStarts[s]! + (promptTokens?.[s] ?? 0);

/** (S) tokens of each answer. */
export function answerLengths(layout: Layout): Int32Array {
  const lengths = new Int32Array(layout.sequenceStarts.length - 1);
  return lengths.map((_, s) => layout.sequenceStarts[s + 1]! - answerStart(layout, s));
}

/** (S) sum of (N) `values` over each answer. */
export function answerSums(layout: Layout, values: Numbers, tail?: Tail): Float64Array {
  const sums = new Float64Array(layout.sequenceStarts.length - 1);
  for (let s = 0; s < sums.length; s++) {
    const from = answerStart(layout, s);
    for (let i = from; i < layout.sequenceStarts[s + 1]!; i++) sums[s]! += weightOf(tail, s, i - from) * values[i]!;
  }
  return sums;
}

/** (S) mean of (N) `values` over each answer; 0 for an empty one. */
export function answerMeans(layout: Layout, values: Numbers): Float64Array {
  const lengths = answerLengths(layout);
  return answerSums(layout, values).map((sum, s) => sum / Math.max(1, lengths[s]!));
}

/** Adds a derivative by the sum of each answer (S) to the derivatives by its tokens (N). */
export function addToTokens(gradient: Float64Array, layout: Layout, bySum: Float64Array, tail?: Tail): void {
  for (let s = 0; s < bySum.length; s++) {
    const from = answerStart(layout, s);
    for (let i = from; i < layout.sequenceStarts[s + 1]!; i++) gradient[i]! += weightOf(tail, s, i - from) * bySum[s]!;
  }
}

const weightOf = (tail: Tail | undefined, s: number, place: number) => (tail !== undefined && place >= tail.full[s]! ? tail.weight : 1);

/** What `LossOutput` wants: single precision, divided by the step's divisor. */
export const divided = (gradient: Float64Array, divisor: number) => Float32Array.from(gradient, (value) => value / divisor);
