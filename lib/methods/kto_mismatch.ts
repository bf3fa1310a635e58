/** Prompts with answers of other rows: what KTO's estimate of the KL is taken on with `kl: batch`. */
import type { Tokens } from '../data/types.js';

type Answered = Pick<Tokens, 'ids' | 'trained'>;

/** Each row's prompt with the answer of the row before it in the step, the first row's with the last one's. Ids are joined, not tokenised anew. */
export function mismatched(rows: readonly Answered[]): Answered[] {
  return rows.map((row, n) => {
    const other = rows.at(n - 1) as Answered;
    const [prompt, answer] = [row.ids.subarray(0, answerAt(row)), other.ids.subarray(answerAt(other))];
    const ids = new Int32Array(prompt.length + answer.length);
    ids.set(prompt);
    ids.set(answer, prompt.length);
    return { ids, trained: new Uint8Array(ids.length).fill(1, prompt.length) };
  });
}

/** Index of the answer: of the trained tokens at the row's end. */
function answerAt({ trained }: Answered): number {
  let at = trained.length;
  while (at > 0 && trained[at - 1] === 1) at--;
  return at;
}
