/** The teacher of a distillation: what it would say at every trained token of a step, as its likeliest ids and their log-probabilities. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Adapter } from '../checkpoint/adapter.js';
import { readAdapter } from '../checkpoint/adapter_read.js';
import { exists } from '../checkpoint/files.js';
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder.js';
import { nativeAdapter } from '../checkpoint/native_model.js';
import { DataError } from '../errors/index.js';
import type { NativeModel } from '../native.js';
import type { Recipe } from '../options/index.js';
import type { Tokenizer } from '../tokenizer/index.js';
import { cutInto, membersAt, type PassSequence, passBatch } from './batches.js';
import { FrozenModels, type Reference } from './reference.js';
import { baseOf, checkTokenizer } from './reward_models.js';

export interface Teacher extends Reference {
  /** Likeliest ids of a token. */
  topK: number;
  temperature: number;
  close(): Promise<void>;
}

/** Name of a teacher's adapter among those of its base. */
const TEACHER = 'teacher';

export interface TeacherSource {
  recipe: Recipe;
  base: ModelFolder;
  native: NativeModel;
  adapter: Adapter | undefined;
  tokenizer: Tokenizer;
}

/**
 * Opens the recipe's teacher, where its method has one: a model's folder, or a PEFT adapter's, which shares the frozen base that it stands on.
 * @throws DataError `missing_model`, `vocabulary_differs`, `tokenizer_differs`, and what opening a model throws
 */
export async function openTeacher({ recipe, base, native, adapter, tokenizer }: TeacherSource): Promise<Teacher | undefined> {
  if (recipe.method.name !== 'distill') return undefined;
  const { teacher: folder, topK, temperature } = recipe.method;
  await stat(folder).catch((cause) => {
    throw new DataError('missing_model', 'no such folder of a teacher', { file: folder, cause });
  });
  const frozen = new FrozenModels(recipe.compute, { base, native, isAdapter: adapter !== undefined });
  try {
    const { opened, config } = await openFolder(folder, { base, tokenizer }, frozen);
    return { ...opened, topK: Math.min(topK, config.vocabulary), temperature, close: () => frozen.dispose() };
  } catch (error) {
    await frozen.dispose();
    throw error;
  }
}

async function openFolder(folder: string, policy: Pick<TeacherSource, 'base' | 'tokenizer'>, frozen: FrozenModels) {
  await checkTokenizer(folder, folder, policy, 'teacher');
  const isAdapter = await exists(join(folder, 'adapter_config.json'));
  const model = isAdapter ? await baseOf(folder, policy, 'teacher') : await openModelFolder(folder);
  const [own, wanted] = [model.config.vocabulary, policy.base.config.vocabulary];
  if (own !== wanted) {
    const message = `the teacher has ${own} rows in its vocabulary, the student ${wanted}: ids of one would not be those of the other`;
    throw new DataError('vocabulary_differs', message, { file: folder });
  }
  const { config } = model;
  if (!isAdapter) return { opened: { native: await frozen.of(model), adapter: false as const }, config };
  const native = await frozen.of(model);
  await native.setAdapter({ ...nativeAdapter(await readAdapter(folder, config)), name: TEACHER, train: false });
  return { opened: { native, adapter: TEACHER }, config };
}

/**
 * Asks the teacher about sequences, so many tokens at a time.
 * @returns the sequences with the ids that the student is asked about, and (N K) the teacher's log-probabilities of them
 */
export async function taught<S extends PassSequence>(
  { native, adapter, topK, temperature }: Teacher,
  sequences: readonly S[],
  passTokens: number,
): Promise<{ sequences: S[]; teacher: Float32Array }> {
  const known = sequences.slice();
  const targets = sequences.map(({ trainedTokens }) => trainedTokens);
  const teacher = new Float32Array(targets.reduce((sum, count) => sum + count, 0) * topK);
  let at = 0;
  for (const places of cutInto(native, sequences, passTokens)) {
    const { scoreAt: _, predicting: __, ...batch } = passBatch(native, membersAt(sequences, places));
    const { topIds, topLogprob } = await native.forward(batch, { adapter, temperature, topK });
    teacher.set(topLogprob as Float32Array, at);
    at += (topLogprob as Float32Array).length;
    let from = 0;
    for (const place of places) {
      const to = from + (targets[place] as number) * topK;
      known[place] = { ...(sequences[place] as S), candidates: (topIds as Int32Array).slice(from, to) };
      from = to;
    }
  }
  return { sequences: known, teacher };
}
