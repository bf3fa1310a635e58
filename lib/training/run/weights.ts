/** The weights that a run trains: base, adapter, score head, and what a checkpoint holds of them. */
import { type Adapter, chosenLayers, HEAD_NAME, peftName } from '../../checkpoint/adapter.js';
import { newAdapter, newHead } from '../../checkpoint/adapter_new.js';
import { readAdapter } from '../../checkpoint/adapter_read.js';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../../checkpoint/native_model.js';
import { type Checkpoint, restoreModel } from '../../checkpoint/resume.js';
import { readTensor } from '../../checkpoint/safetensors.js';

import { DataError, RequestError } from '../../errors/index.js';
import { methods } from '../../methods/index.js';
import type { NativeModel, StoredTensor } from '../../native.js';
import type { ReadRecipe, Recipe } from '../../recipe/index.js';
import type { LoadedPolicy } from '../reference/reference.js';
import { addValueHead, trainedSets } from '../rollout/rollouts.js';

/** Whether the method trains a head that scores sequences. */
export const trainsScores = ({ method }: Pick<Recipe, 'method'>) => methods[method.name].needs.scores === true;

/** The adapter that training starts from, with its score head where one is trained; undefined: all weights are trained. */
export async function startingAdapter(recipe: Recipe, base: ModelFolder, read: ReadRecipe): Promise<Adapter | undefined> {
  const { adapter } = recipe;
  if (adapter === null) return undefined;
  if (!('from' in adapter)) {
    checkTargets(adapter.targets, base, read);
    return withHead(newAdapter(adapter, base.config), recipe, base);
  }
  const from = await readAdapter(adapter.from, base.config, base.folder);
  refuseUneven(from, adapter.from);
  return withHead({ ...from, dropout: adapter.dropout }, recipe, base);
}

/** One rank and one scale are trained, and written: a file with several of them would go on as another adapter. */
function refuseUneven({ isUneven }: Adapter, folder: string): void {
  if (!isUneven) return;
  const why = 'has ranks or scales of single layers (rank_pattern, alpha_pattern), which can be used and merged, but not trained further';
  throw new DataError('bad_adapter', `${why}; merge it (attune merge), and train a new adapter on the merged model`, { file: folder });
}

function checkTargets(targets: Parameters<typeof chosenLayers>[0], { config }: ModelFolder, { place }: ReadRecipe): void {
  try {
    chosenLayers(targets, config);
  } catch (error) {
    if (error instanceof RequestError) throw new RequestError(error.code, error.message, place('adapter.targets'));
    throw error;
  }
}

/** A head that the adapter brings scores answers: only a method that trains scores has a use for it. */
async function withHead({ head, ...adapter }: Adapter, recipe: Recipe, base: ModelFolder): Promise<Adapter> {
  return trainsScores(recipe) ? { ...adapter, head: head ?? (await firstHead(recipe, base)) } : adapter;
}

/** The head of a base that is a reward model itself, or a new one. */
async function firstHead({ adapter, train }: Recipe, { score, config }: ModelFolder): Promise<Float32Array> {
  return score === undefined ? newHead(config.hidden, adapter?.seed ?? train.seed) : readTensor(score);
}

/** Loads what is trained, as it was at the checkpoint where there is one. */
export async function loadTrained(
  base: ModelFolder,
  recipe: Recipe,
  adapter: Adapter | undefined,
  checkpoint?: Checkpoint,
): Promise<NativeModel> {
  const { dtype, threads } = recipe.compute;
  const train = adapter === undefined ? 'all' : 'adapter';
  const native = await loadNative(base, { dtype, threads, train, recomputeActivations: recipe.train.activationCheckpointing });
  try {
    if (adapter !== undefined) await native.setAdapter(nativeAdapter(adapter, adapter.dropout));
    if (trainsScores(recipe)) await native.setHead(adapter?.head ?? (await firstHead(recipe, base)));
    await addValueHead(native, recipe, base, adapter);
    if (checkpoint !== undefined) await restoreModel(checkpoint, native, trainedSets(recipe));
    return native;
  } catch (error) {
    return fail(native, error);
  }
}

/** Gives a model the trained parameters that it had before the first step: those of the adapter, or of the base. */
export async function restoreStart({ native, adapter, base, recipe }: LoadedPolicy): Promise<void> {
  const write = (name: string, values: Float32Array) => native.write(name, 'value', values);
  if (adapter !== undefined) {
    for (const { name, a, b } of adapter.targets) {
      await write(peftName(name, 'A'), a);
      await write(peftName(name, 'B'), b);
    }
    if (adapter.head !== undefined) await write(HEAD_NAME, adapter.head);
    return;
  }
  const stored = new Map(base.tensors.map((tensor) => [tensor.name, tensor]));
  for (const { name } of native.parameters()) {
    await write(name, name === 'score.weight' ? await firstHead(recipe, base) : await readTensor(stored.get(name) as StoredTensor));
  }
}

/** Puts a model away and throws on. */
export function fail(native: NativeModel, error: unknown): never {
  native.dispose();
  throw error;
}
