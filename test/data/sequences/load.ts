/** Rows written to files and loaded with the tokenizer of `pairs.ts`. */
import { expect } from 'vitest';
import { acceptedRows, type Kind } from '../../../lib/data/rows/kinds.js';
import type { DatasetOptions } from '../../../lib/data/sequences/dataset.js';
import { loadDataset } from '../../../lib/data/sequences/load.js';
import { makeRoom } from '../room.js';
import { pairs } from '../rows/pairs.js';

export const { write } = makeRoom();
let count = 0;
/** Writes rows as JSON Lines -> the path. */
export const jsonl = (...rows: unknown[]) => write(`rows-${count++}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

type Change = Partial<Omit<DatasetOptions, 'data'>>;
/** Loads files with plain settings; `change` overrides them. */
export function load(path: string | string[], change: Change = {}) {
  const data = [path].flat().map((one) => ({ path: one, weight: 1 }));
  const checks = { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error' } as const;
  return loadDataset({
    data,
    tokenizer: pairs,
    template: 'auto',
    trained: 'answers',
    checks,
    maxLength: 1e6,
    overlong: 'split',
    keepText: 99,
    ...change,
  });
}

/** What the contract's methods take, in the words of their files. */
export const TAKEN: Record<string, readonly string[]> = {
  pretrain: ['text', 'prompt', 'instruction', 'chat'],
  sft: ['text', 'prompt', 'instruction', 'chat'],
  reward: ['pairs', 'rankings'],
  dpo: ['pairs'],
  kto: ['thumbs', 'pairs'],
  ppo: ['prompts'],
  grpo: ['prompts'],
};
const { methodsOf } = acceptedRows('sft', TAKEN);

/** Loads files for a method that takes other kinds of rows. */
export const loadFor = (method: string, kinds: readonly Kind[], path: string | string[], change: Change = {}) =>
  load(path, { accepts: { method, kinds, methodsOf }, ...change });

/** Sequences of rows as text: the whole, and what is trained. */
export async function told(kinds: readonly Kind[], rows: unknown[], change: Change = {}) {
  const { sequences } = await loadFor('it', kinds, jsonl(...rows), change);
  return sequences.map((sequence) => ({ ...sequence, whole: pairs.decode(sequence.ids), answers: trainedText(sequence) }));
}

/** Trained stretches of a sequence as text; the end token shows as `</s>`. */
function trainedText({ ids, trained }: { ids: Int32Array; trained: Uint8Array }): string[] {
  const runs: number[][] = [];
  for (const [i, id] of ids.entries()) {
    if (trained[i] === 1 && trained[i - 1] !== 1) runs.push([]);
    if (trained[i] === 1) runs.at(-1)?.push(id);
  }
  return runs.map((run) => pairs.decode(run));
}

/** Loads one row that is one sequence. -> it, its text, and its trained stretches. */
export async function single(row: unknown, change: Change = {}) {
  const { sequences } = await load(jsonl(row), change);
  expect(sequences).toHaveLength(1);
  const [sequence] = sequences;
  if (sequence === undefined) throw new Error('no sequence');
  return { ...sequence, whole: pairs.decode(sequence.ids), answers: trainedText(sequence) };
}
