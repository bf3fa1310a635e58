/** Everything before the first step: recipe, base, rows, adapter, memory, and for `--resume` the checkpoint. Nothing is written here. */
import { resolve } from 'node:path';
import { checkNewFolder } from '../checkpoint/files.js';
import type { HubProgress } from '../checkpoint/hub.js';
import { type Checkpoint, latestCheckpoint } from '../checkpoint/resume.js';
import type { Tokens } from '../data/index.js';
import { RequestError } from '../errors/index.js';
import { parseRecipe, type ReadRecipe, type Recipe, type RecipeInput, readRecipe, type StagedInput } from '../options/index.js';
import type { Tokenizer } from '../tokenizer/index.js';
import { closeAll, openRewardFunctions } from './judges.js';
import { baseHashes, besideHashes, dataHashes } from './manifest.js';
import { hideableRows, type Masks, masksOf } from './masks.js';
import { networksBeside, plannedMicroBatch } from './micro_batch.js';
import { openBase } from './open_base.js';
import { type HeldReference, openHeldReference, preferenceWarnings } from './preference.js';
import type { LoadedPolicy } from './reference.js';
import { checkRollouts, checkRoom, openRollouts, type RolloutParts, rolloutOptions, withoutEvaluation } from './rollouts.js';
import { loadRows, type Rows } from './rows.js';
import { type RunHashes, RunState } from './run_state.js';
import { recipeIn, refuseOtherRecipe } from './same_recipe.js';
import { openTeacher, type Teacher } from './teacher.js';
import { fail, loadTrained, startingAdapter } from './weights.js';

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
export type TrainInput = string | RecipeInput | StagedInput | ReadRecipe;

/** A run that can take its first step. */
export interface Run extends LoadedPolicy {
  out: string;
  rows: Rows;
  sequences: Tokens[];
  microBatchTokens: number;
  hashes: RunHashes;
  state: RunState;
  resumed: boolean;
  tokenizer: Tokenizer;
  /** Of a method that learns from its own answers. */
  rollouts: RolloutParts | undefined;
  /** Of a method that holds the policy to a reference and learns from rows. */
  held: HeldReference | undefined;
  /** Of a distillation. */
  teacher: Teacher | undefined;
  /** Of a method that hides words. */
  masks: Masks | undefined;
}

type Beside = 'rollouts' | 'held' | 'teacher';
type Functions = Awaited<ReturnType<typeof openRewardFunctions>>;

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

async function prepare(read: ReadRecipe, options: TrainOptions, functions: Functions): Promise<Run> {
  const { signal } = options;
  const out = outFolder(read.recipe, options);
  const checkpoint = await startingPoint(out, options.resume ?? false);
  checkDevice(read);
  const { base, tokenizer, recipe: fitting } = await openBase(read, options);
  const { recipe, warnings } = withoutEvaluation({ ...fitting, out });
  if (checkpoint !== undefined) checkSameRecipe(checkpoint, recipe);
  const adapter = await startingAdapter(recipe, base, read);
  const masks = await masksOf(recipe, tokenizer, base.folder, read.place('method.maskToken'));
  const [loaded, ofBase] = await Promise.all([loadRows(recipe, tokenizer, { place: read.place, signal }), baseHashes(base, signal)]);
  const heldOut = hideableRows(loaded.heldOut, masks);
  const rows = { ...loaded, heldOut, warnings: [...loaded.warnings, ...warnings, ...preferenceWarnings(recipe, loaded.dataset.counts)] };
  checkRoom(recipe, base, rows.longest, read.place('method.maxNewTokens'));
  const hashes = { base: ofBase, data: await dataHashes(rows.datasets, signal), beside: await besideHashes(recipe, signal) };
  const saved = checkpoint === undefined ? undefined : RunState.from(checkpoint, hashes);
  const microBatchTokens = saved?.microBatchTokens ?? plannedMicroBatch(recipe, base.config, adapter, rows, await networksBeside(recipe));
  const state = saved ?? new RunState({ microBatchTokens, hashes });
  const native = await loadTrained(base, recipe, adapter, checkpoint);
  const sequences = hideableRows(rows.sequences, masks);
  const parts = { out, recipe, base, native, adapter, rows, sequences, masks, microBatchTokens, hashes, state, tokenizer };
  const beside = await openBeside(parts, functions, signal).catch((error) => fail(native, error));
  return { ...parts, ...beside, resumed: checkpoint !== undefined };
}

/** What works beside the policy, where the method has it. */
async function openBeside(parts: Omit<Run, Beside | 'resumed'>, functions: Functions, signal?: AbortSignal): Promise<Pick<Run, Beside>> {
  const rollouts = rolloutOptions(parts.recipe) && (await openRollouts(parts, functions));
  const held = await openHeldReference(parts, signal);
  return { rollouts, held, teacher: await openTeacher(parts) };
}

function checkSameRecipe({ folder, step }: Checkpoint, recipe: Recipe): void {
  refuseOtherRecipe(recipeIn(folder), recipe, `the recipe is not the one that was trained with up to step ${step}`);
}

/** A recipe from any of its forms. */
export function readInput(input: TrainInput): ReadRecipe {
  if (typeof input === 'string') return readRecipe(input);
  return 'recipe' in input && 'place' in input ? (input as ReadRecipe) : parseRecipe(input);
}

/** Where a run goes. @throws RequestError `missing_out` */
export function outFolder({ out }: Recipe, options: TrainOptions): string {
  const folder = options.out ?? out;
  if (folder === undefined) throw new RequestError('missing_out', 'no output folder: give --out DIR, or out: in the recipe');
  return resolve(folder);
}

/** @throws RequestError `output_exists`, `not_writable` */
export const checkNewOutput = (out: string) => checkNewFolder(out, 'go on with it by --resume, choose another --out, or delete it');

async function startingPoint(out: string, resume: boolean): Promise<Checkpoint | undefined> {
  if (!resume) {
    await checkNewOutput(out);
    return undefined;
  }
  const checkpoint = await latestCheckpoint(out);
  if (checkpoint === undefined)
    throw new RequestError('nothing_to_resume', `${out} has no checkpoint to resume from; start without --resume`);
  return checkpoint;
}

/** @throws RequestError `device_unavailable` */
export function checkDevice({ recipe, place }: ReadRecipe): void {
  const { device } = recipe.compute;
  if (device === 'auto' || device === 'cpu') return;
  throw new RequestError('device_unavailable', `compute.device ${device} is not available in this build; use cpu`, place('compute.device'));
}
