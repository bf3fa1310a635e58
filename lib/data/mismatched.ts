/** KTO's estimate of the KL divergence by answers that do not belong to their prompts (Ethayarajh et al. 2024, section 4.1). */
import { countTrained } from './encode.js';
import type { Tokens } from './types.js';

type Answered = Pick<Tokens, 'ids' | 'trained' | 'promptLength'>;

/**
 * For each of `rows`, the rows of one step in order, its prompt with the answer of the row before it, the first with the last one's. Ids are joined,
 * not tokenised anew; an answer ends with its last trained token, and is cut where the whole would be longer than `maxLength`.
 */
export function mismatchedRows(
  sequences: readonly Answered[],
  rows: ArrayLike<number>,
  maxLength: number,
): Pick<Tokens, 'ids' | 'trained' | 'trainedTokens'>[] {
  return Array.from(rows, (row, n) => {
    const [own, before] = [sequences[row] as Answered, sequences[rows[(n + rows.length - 1) % rows.length] as number] as Answered];
    const { promptLength = 0 } = own;
    const answer = before.ids.subarray(before.promptLength ?? 0, before.trained.lastIndexOf(1) + 1);
    const ids = new Int32Array(Math.min(promptLength + answer.length, maxLength));
    ids.set(own.ids.subarray(0, promptLength));
    ids.set(answer.subarray(0, ids.length - promptLength), promptLength);
    const trained = new Uint8Array(ids.length).fill(1, promptLength);
    trained[0] = 0;
    return { ids, trained, trainedTokens: countTrained(trained) };
  });
}
