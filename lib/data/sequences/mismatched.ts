/** KTO's estimate of the KL divergence by answers that do not belong to their prompts (Ethayarajh et al. 2024, section 4.1). */

import type { Tokens } from '../types.js';
import { countTrained } from './encode.js';

type Answered = Pick<Tokens, 'ids' | 'trained' | 'promptLength'>;

/**
 * For each of `rows`, the rows of one step in order, its prompt with the answer of the row before it, the first with the last one's; a row that comes
 * twice is passed over, as it would meet its own answer. Ids are joined, not tokenised anew; an answer ends with its last trained token, and is cut
 * where the whole would be longer than `maxLength`. Empty where the step has but one row, however often.
 */
export function mismatchedRows(
  sequences: readonly Answered[],
  rows: ArrayLike<number>,
  maxLength: number,
): Pick<Tokens, 'ids' | 'trained' | 'trainedTokens'>[] {
  const step = Array.from(rows, (row) => sequences[row] as Answered);
  return step.flatMap((own, n) => {
    const other = otherBefore(step, n);
    return other === undefined ? [] : [joined(own, other, maxLength)];
  });
}

/** The nearest row before the n-th, around the step, that is another one. */
function otherBefore(step: readonly Answered[], n: number): Answered | undefined {
  for (let back = 1; back < step.length; back++) {
    const other = step.at((n - back) % step.length) as Answered;
    if (!isSame(other.ids, (step[n] as Answered).ids)) return other;
  }
  return undefined;
}

const isSame = (a: Int32Array, b: Int32Array) => a.length === b.length && a.every((id, i) => id === b[i]);

function joined({ ids: own, promptLength = 0 }: Answered, other: Answered, maxLength: number) {
  const answer = other.ids.subarray(other.promptLength ?? 0, other.trained.lastIndexOf(1) + 1);
  const ids = new Int32Array(Math.min(promptLength + answer.length, maxLength));
  ids.set(own.subarray(0, promptLength));
  ids.set(answer.subarray(0, ids.length - promptLength), promptLength);
  const trained = new Uint8Array(ids.length).fill(1, promptLength);
  trained[0] = 0;
  return { ids, trained, trainedTokens: countTrained(trained) };
}
