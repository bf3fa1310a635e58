/** Everything before the first step: recipe, base, rows, adapter, memory, and for `--resume` the checkpoint. Nothing is written here. */
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { type Adapter, chosenLayers } from '../checkpoint/adapter.js';
import { newAdapter } from '../checkpoint/adapter_new.js';
import { readAdapter } from '../checkpoint/adapter_read.js';
import { contextOf } from '../checkpoint/config.js';
import { checkNewFolder } from '../checkpoint/files.js';
import type { HubProgress } from '../checkpoint/hub.js';
import { checkVocabulary, type ModelFolder, openModelFolder } from '../checkpoint/model_folder.js';
import { modelPlace } from '../checkpoint/model_place.js';
import { loadNative, nativeAdapter } from '../checkpoint/native_model.js';
import { type Checkpoint, latestCheckpoint, restoreModel } from '../checkpoint/resume.js';
import type { Tokens } from '../data/index.js';
import { RequestError } from '../errors/index.js';
import { addon, type NativeModel, type NetworkConfig } from '../native.js';
import {
  HARMLESS_KEYS,
  parseRecipe,
  type ReadRecipe,
  type Recipe,
  type RecipeInput,
  readRecipe,
  recipeDifferences,
  withMaxLength,
} from '../options/index.js';
import { openTokenizer, type Tokenizer } from '../tokenizer/index.js';
import { closeAll, openRewardFunctions } from './judges.js';
import { baseHashes, dataHashes, type Hashes } from './manifest.js';
import { checkMemory, chooseMicroBatch } from './memory.js';
import {
  addValueHead,
  checkRollouts,
  checkRoom,
  openRollouts,
  type RolloutParts,
  rolloutOptions,
  trainedSets,
  withoutEvaluation,
} from './rollouts.js';
import { loadRows, type Rows } from './rows.js';
import { RunState } from './run_state.js';

export interface TrainOptions {
  /** Aborting stops at the border of a step, with a checkpoint written. */
  signal?: AbortSignal | undefined;
  /** Output folder; wins over the recipe's `out`. */
  out?: string | undefined;
  /** Go on from the newest checkpoint in the output folder. */
  resume?: boolean | undefined;
  /** Is told how far a download from the hub has come. */
  onDownload?: ((progress: HubProgress) => void) | undefined;
}

/** A recipe as a file, as an object, or read already. */
export type TrainInput = string | RecipeInput | ReadRecipe;

/** A run that can take its first step. */
export interface Run {
  out: string;
  recipe: Recipe;
  base: ModelFolder;
  native: NativeModel;
  /** As it was before the run; undefined: all weights are trained. */
  adapter: Adapter | undefined;
  rows: Rows;
  sequences: Tokens[];
  microBatchTokens: number;
  hashes: { base: Hashes; data: Hashes };
  state: RunState;
  resumed: boolean;
  tokenizer: Tokenizer;
  /** Of a method that learns from its own answers. */
  rollouts: RolloutParts | undefined;
}

/** @throws RequestError, DataError and WorkError for everything that can be known before the first step */
export async function prepareRun(input: TrainInput, options: TrainOptions): Promise<Run> {
  const read = readInput(input);
  checkRollouts(read.recipe, read.place);
  const functions = await openRewardFunctions(rolloutOptions(read.recipe)?.rewards ?? []);
  return prepare(read, options, functions).catch(async (error) => {
    await closeAll(functions);
    throw error;
  });
}

async function prepare(read: ReadRecipe, options: TrainOptions, functions: Awaited<ReturnType<typeof openRewardFunctions>>): Promise<Run> {
  const out = outFolder(read.recipe, options);
  const checkpoint = await startingPoint(out, options.resume ?? false);
  checkDevice(read);
  const { signal } = options;
  const base = await openModelFolder(await modelPlace(read.recipe.model, { signal, onDownload: options.onDownload }));
  const { recipe, warnings } = withoutEvaluation(withMaxLength(read.recipe, contextOf(base.config), read.place('train.maxLength')));
  if (checkpoint !== undefined) checkSameRecipe(checkpoint, recipe);
  const adapter = await startingAdapter(recipe, base.config, read);
  const tokenizer = await openTokenizer(base.folder);
  checkVocabulary(base, tokenizer.vocabularySize);
  const [loaded, ofBase] = await Promise.all([loadRows(recipe, tokenizer, { place: read.place, signal }), baseHashes(base, signal)]);
  const rows = { ...loaded, warnings: [...loaded.warnings, ...warnings] };
  checkRoom(recipe, base, rows.longest, read.place('method.maxNewTokens'));
  const hashes = { base: ofBase, data: await dataHashes(rows.datasets, signal) };
  const saved = checkpoint === undefined ? undefined : RunState.from(checkpoint, hashes);
  const microBatchTokens = saved?.microBatchTokens ?? plannedMicroBatch(recipe, base.config, adapter, rows);
  const state = saved ?? new RunState({ microBatchTokens, hashes });
  const native = await loadTrained(base, recipe, adapter, checkpoint);
  const parts = { out, recipe, base, native, adapter, rows, sequences: rows.sequences, microBatchTokens, hashes, state, tokenizer };
  const rollouts = rolloutOptions(recipe) && (await openRollouts(parts, functions).catch((error) => fail(native, error)));
  return { ...parts, rollouts, resumed: checkpoint !== undefined };
}

function fail(native: NativeModel, error: unknown): never {
  native.dispose();
  throw error;
}

/** A recipe from any of its forms. */
export function readInput(input: TrainInput): ReadRecipe {
  if (typeof input === 'string') return readRecipe(input);
  return 'recipe' in input && 'place' in input ? (input as ReadRecipe) : parseRecipe(input);
}

function outFolder({ out }: Recipe, options: TrainOptions): string {
  const folder = options.out ?? out;
  if (folder === undefined) throw new RequestError('missing_out', 'no output folder: give --out DIR, or out: in the recipe');
  return resolve(folder);
}

async function startingPoint(out: string, resume: boolean): Promise<Checkpoint | undefined> {
  if (!resume) {
    await checkNewFolder(out, 'go on with it by --resume, choose another --out, or delete it');
    return undefined;
  }
  const checkpoint = await latestCheckpoint(out);
  if (checkpoint === undefined)
    throw new RequestError('nothing_to_resume', `${out} has no checkpoint to resume from; start without --resume`);
  return checkpoint;
}

function checkDevice({ recipe, place }: ReadRecipe): void {
  const { device } = recipe.compute;
  if (device === 'auto' || device === 'cpu') return;
  throw new RequestError('device_unavailable', `compute.device ${device} is not available in this build; use cpu`, place('compute.device'));
}

/** Keys named in one refusal. */
const MOST_SHOWN = 8;

function checkSameRecipe({ folder, step }: Checkpoint, recipe: Recipe): void {
  const before = readRecipe(join(folder, 'recipe.yaml')).recipe;
  const differences = recipeDifferences(before, recipe, HARMLESS_KEYS);
  if (differences.length === 0) return;
  const shown = (value: unknown) => (value === undefined ? 'left out' : JSON.stringify(value));
  const lines = differences.slice(0, MOST_SHOWN).map(({ key, before, after }) => `  ${key}: was ${shown(before)}, now ${shown(after)}`);
  const message = `the recipe is not the one that was trained with up to step ${step}:\n${lines.join('\n')}\nstart anew with another --out, or take the old values`;
  throw new RequestError('recipe_changed', message);
}

async function startingAdapter({ adapter }: Recipe, config: NetworkConfig, { place }: ReadRecipe): Promise<Adapter | undefined> {
  if (adapter === null) return undefined;
  if ('from' in adapter) {
    // A head that the adapter brings judges answers: no other method has a use for it.
    const { head: _, ...brought } = await readAdapter(adapter.from, config);
    return { ...brought, dropout: adapter.dropout };
  }
  try {
    chosenLayers(adapter.targets, config);
  } catch (error) {
    if (error instanceof RequestError) throw new RequestError(error.code, error.message, place('adapter.targets'));
    throw error;
  }
  return newAdapter(adapter, config);
}

/** Memory that the machine, or the limit that the process lives under, has in all. */
function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

function plannedMicroBatch(recipe: Recipe, config: NetworkConfig, adapter: Adapter | undefined, rows: Rows): number {
  const { train, compute } = recipe;
  const plan = (tokens: number) =>
    addon().planMemory({
      config,
      dtype: compute.dtype,
      threads: compute.threads === 'auto' ? 0 : compute.threads,
      train: adapter === undefined ? 'all' : 'adapter',
      recomputeActivations: train.activationCheckpointing,
      tokens,
      rank: adapter?.rank ?? 0,
    });
  const { maxNewTokens = -1, samplesPerPrompt = 1 } = rolloutOptions(recipe) ?? {};
  // An answer, and the end token that a judge may read behind it.
  const longest = rows.longest + maxNewTokens + 1;
  const stepTokens = train.tokensPerStep ?? (train.rowsPerStep ?? 1) * samplesPerPrompt * longest;
  const micro = chooseMicroBatch({ plan, requested: train.microBatchTokens, longest, stepTokens, total: machineMemory() });
  const settings = { isBf16: compute.dtype === 'bf16', isAdapter: adapter !== undefined, recomputes: train.activationCheckpointing };
  const tokens = Math.max(longest, Math.min(micro, stepTokens));
  checkMemory({ plan, tokens, longest, available: process.availableMemory(), ...settings });
  return micro;
}

async function loadTrained(base: ModelFolder, recipe: Recipe, adapter: Adapter | undefined, checkpoint?: Checkpoint): Promise<NativeModel> {
  const { dtype, threads } = recipe.compute;
  const train = adapter === undefined ? 'all' : 'adapter';
  const native = await loadNative(base, { dtype, threads, train, recomputeActivations: recipe.train.activationCheckpointing });
  try {
    if (adapter !== undefined) await native.setAdapter(nativeAdapter(adapter, adapter.dropout));
    await addValueHead(native, recipe, base, adapter);
    if (checkpoint !== undefined) await restoreModel(checkpoint, native, trainedSets(recipe));
    return native;
  } catch (error) {
    return fail(native, error);
  }
}
