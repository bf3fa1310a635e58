/** The teacher of a distillation: a frozen model that names the likeliest ids of each trained token. */

import { isAdapterFolder } from '../../checkpoint/adapter_folder.js';
import type { CheckpointWarning } from '../../checkpoint/warning.js';
import { methodOf } from '../../methods/index.js';
import { cutInto, membersAt, type PassSequence, passBatch } from '../../model/batches.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import { checkSameVocabulary, checkThere, FrozenModels, frozenAdapter, type LoadedPolicy, type Reference } from './reference.js';
import { baseOf } from './reward_models.js';
import { checkTokenizer } from './same_tokenizer.js';

export interface Teacher extends Reference {
  /** Likeliest ids of a token. */
  topK: number;
  temperature: number;
  /** What is worth telling of its folder. */
  warnings: CheckpointWarning[];
  close(): Promise<void>;
}

/** Name of a teacher's adapter among those of its base, and of the teacher in messages. */
const TEACHER = 'teacher';

/**
 * Opens the recipe's teacher, where its method has one: a model's folder, or a PEFT adapter's, which shares the frozen base that it stands on.
 * @throws DataError `missing_model`, `vocabulary_differs`, `tokenizer_differs`, and what opening a model throws
 */
export async function openTeacher(policy: LoadedPolicy & { tokenizer: Tokenizer }): Promise<Teacher | undefined> {
  const { recipe, base, tokenizer } = policy;
  const wanted = methodOf(recipe.method).teacher?.(recipe.method);
  if (wanted === undefined) return undefined;
  const { folder, topK, temperature } = wanted;
  await checkThere(folder, TEACHER);
  await checkTokenizer(folder, folder, { base, tokenizer }, TEACHER);
  const isAdapter = await isAdapterFolder(folder);
  const frozen = FrozenModels.beside(policy);
  const model = isAdapter ? await baseOf(folder, { base, tokenizer }, frozen, TEACHER) : await frozen.open(folder);
  checkSameVocabulary(model, base, TEACHER);
  const opened = isAdapter
    ? frozenAdapter(folder, model, TEACHER, frozen)
    : frozen.of(model).then((own) => ({ native: own, adapter: false as const }));
  const reference = await opened.catch(async (error) => {
    await frozen.dispose();
    throw error;
  });
  const { warnings } = frozen;
  return { ...reference, topK: Math.min(topK, model.config.vocabulary), temperature, warnings, close: () => frozen.dispose() };
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
