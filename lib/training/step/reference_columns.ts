/** Columns that come of the frozen reference of preference methods. */
import { mismatchedRows, type Tokens } from '../../data/index.js';
import type { Columns } from '../../methods/index.js';
import { methodOf } from '../../methods/index.js';
import { forwardAll, sequenceSums } from '../../model/passes.js';
import type { KnownReference } from '../reference/cache.js';
import type { Reference } from '../reference/reference.js';
import { rulesOf, type UpdateSetting } from './update.js';

type Sequences = readonly Pick<Tokens, 'ids' | 'trained' | 'trainedTokens' | 'unit' | 'member' | 'promptLength'>[];

/** The columns with `reference` and `mismatch`, where the method reads them and they are not there yet. */
export async function referenceColumns(
  setting: UpdateSetting & { reference?: Reference | undefined; known?: KnownReference | undefined },
  sequences: Sequences,
  columns: Columns,
): Promise<Columns> {
  const { recipe, reference, known } = setting;
  const wanted = methodOf(recipe.method).columns?.(recipe.method) ?? [];
  if (!wanted.includes('reference')) return columns;
  const given = knownLogprob(known, sequences) ?? (reference && (await referenceLogprob(setting, reference, sequences)));
  const mismatch = wanted.includes('mismatch') && reference && (await mismatchRatios(setting, reference, sequences));
  return { ...columns, ...(given && { reference: given }), ...(mismatch && { mismatch }) };
}

/** (N) what is known of all these sequences, or undefined. */
function knownLogprob(known: KnownReference | undefined, sequences: Sequences): Float32Array | undefined {
  const parts = sequences.map((sequence) => known?.get(sequence));
  return parts.every((part) => part !== undefined) ? Float32Array.from(parts.flatMap((part) => [...part])) : undefined;
}

/** (N) log-probabilities of the sequences' trained tokens under the reference, without dropout. */
async function referenceLogprob(
  { recipe, microBatchTokens }: Pick<UpdateSetting, 'recipe' | 'microBatchTokens'>,
  { native, adapter }: Reference,
  sequences: Sequences,
): Promise<Float32Array> {
  const options = { adapter, rules: rulesOf(recipe), temperature: methodOf(recipe.method).temperature?.(recipe.method) };
  return (await forwardAll(native, sequences, microBatchTokens, () => options)).logprob as Float32Array;
}

/** (S) Σ log-ratio of each prompt with the answer of another row of the step; undefined where there is no other. */
async function mismatchRatios(setting: UpdateSetting, reference: Reference, sequences: Sequences): Promise<Float64Array | undefined> {
  const { native, recipe, microBatchTokens } = setting;
  const rows = mismatchedRows(sequences, Int32Array.from(sequences.keys()), recipe.train.maxLength as number);
  if (rows.length === 0) return undefined;
  const sequenceStarts = Int32Array.from([0, ...rows.map(({ trainedTokens }) => trainedTokens)]);
  for (let s = 1; s < sequenceStarts.length; s++) (sequenceStarts[s] as number) += sequenceStarts[s - 1] as number;
  const policy = sequenceSums({ sequenceStarts }, (await forwardAll(native, rows, microBatchTokens)).logprob);
  const held = sequenceSums({ sequenceStarts }, await referenceLogprob({ recipe, microBatchTokens }, reference, rows as Sequences));
  return policy.map((sum, s) => sum - (held[s] as number));
}
