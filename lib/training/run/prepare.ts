/** Everything before the first step: recipe, base, rows, adapter, memory, and for `--resume` the checkpoint. Nothing is written here. */

import { resolve } from 'node:path';
import type { HubProgress } from '../../checkpoint/hub.js';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { padWarnings } from '../../checkpoint/reward_config.js';
import { checkIds } from '../../checkpoint/vocabulary.js';
import { StepPlan, type Tokens } from '../../data/index.js';
import { RequestError } from '../../errors/index.js';
import { methodOf } from '../../methods/index.js';
import { parseRecipe, type ReadRecipe, type Recipe, type RecipeInput, readRecipe, type StagedInput } from '../../recipe/index.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import { comesAgain } from '../reference/cache.js';
import type { LoadedPolicy } from '../reference/reference.js';
import { openTeacher, type Teacher } from '../reference/teacher.js';
import { closeAll, openRewardFunctions } from '../rollout/judges.js';
import { checkRollouts, checkRoom, openRollouts, type RolloutParts, rolloutOptions, withoutUnused } from '../rollout/rollouts.js';
import { hideableRows, type Masks, masksOf } from '../step/masks.js';
import { networksBeside, plannedMicroBatch } from './micro_batch.js';
import { basePlace, openBaseIn } from './open_base.js';
import { type HeldReference, openHeldReference } from './preference.js';
import { loadRows, type Rows } from './rows.js';
import { checkSameFiles, runHashes } from './same_files.js';
import { refuseOtherRecipe } from './same_recipe.js';
import { warmupSteps } from './schedule.js';
import { checkStart, grown, startingPoint } from './starting_point.js';
import { type Fixed, RunState } from './state.js';
import { dateAt, wallTime } from './time.js';
import { fail, loadTrained, startingAdapter, trainsScores } from './weights.js';

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
  state: RunState;
  /** Steps of the whole run. */
  steps: number;
  /** Whether it goes on from a checkpoint. */
  resumed: boolean;
  /** Whether it was begun before, and left no checkpoint: it begins anew in the folder that is there. */
  anew: boolean;
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

/**
 * @param time what chat templates are told where the run begins here, as `wallTime` writes it
 * @throws RequestError, DataError and WorkError for everything that can be known before the first step
 */
export async function prepareRun(input: TrainInput, options: TrainOptions, time?: string): Promise<Run> {
  const read = readInput(input);
  checkRollouts(read.recipe, read.place);
  const functions = await openRewardFunctions(rolloutOptions(read.recipe)?.rewards ?? []);
  return prepare(read, options, functions, time).catch(async (error) => {
    await closeAll(functions);
    throw error;
  });
}

async function prepare(read: ReadRecipe, options: TrainOptions, functions: Functions, begun?: string): Promise<Run> {
  const { signal } = options;
  const out = outFolder(read.recipe, options);
  const start = await startingPoint(out, options.resume ?? false);
  checkDevice(read);
  const folder = await basePlace(read, options);
  const known = await checkStart(start, read.recipe, folder, { signal });
  const { base, tokenizer, recipe: fitting } = await openBaseIn(folder, read);
  const { recipe, warnings } = withoutUnused({ ...fitting, out });
  if (start.before !== undefined) refuseOtherRecipe(start.before, recipe, start.words);
  const adapter = await startingAdapter(recipe, base, read);
  const masks = await masksOf(recipe, tokenizer, base.folder, read.place('method.maskToken'));
  const time = start.time ?? begun ?? wallTime();
  const loaded = await loadRows(recipe, tokenizer, { place: read.place, signal, now: dateAt(time) });
  const heldOut = hideableRows(loaded.heldOut, masks);
  checkIds([...loaded.sequences, ...heldOut], base, tokenizer);
  const ofFiles = [...base.warnings, ...(adapter?.warnings ?? []), ...scoreWarnings(recipe, base, tokenizer)];
  const rows = {
    ...loaded,
    heldOut,
    warnings: [
      ...ofFiles,
      ...loaded.warnings,
      ...warnings,
      ...(methodOf(recipe.method).rowWarnings?.(loaded.dataset.counts.units ?? {}, recipe.method) ?? []),
    ],
  };
  checkRoom(recipe, base, rows.longest, read.place('method.maxNewTokens'));
  const hashes = await runHashes(recipe, base, loaded, { known, signal });
  if (start.hashes !== undefined) checkSameFiles(start.hashes, hashes);
  const sequences = hideableRows(rows.sequences, masks);
  const stepsOf = ({ train }: Recipe) => new StepPlan({ sequences, sources: rows.dataset.sources }, train).count();
  const checkpoint = await grown(start, recipe, out, stepsOf);
  const fixed = async (): Promise<Fixed> => ({
    microBatchTokens: plannedMicroBatch(recipe, base.config, adapter, rows, await networksBeside(recipe)),
    hashes,
    time,
    warmup: warmupSteps(recipe.train.warmup, stepsOf(recipe)),
    keepsReference: comesAgain(recipe.train, rows.sequences),
  });
  const state = checkpoint === undefined ? new RunState(await fixed()) : RunState.from(checkpoint, hashes);
  const { microBatchTokens } = state.fixed;
  const native = await loadTrained(base, recipe, adapter, checkpoint);
  const parts = { out, recipe, base, native, adapter, rows, sequences, masks, microBatchTokens, state, tokenizer, steps: stepsOf(recipe) };
  const beside = await openBeside(parts, functions, signal).catch((error) => fail(native, error));
  return { ...parts, ...beside, resumed: checkpoint !== undefined, anew: start.anew };
}

/** Of a base that a reward model is made of. */
function scoreWarnings(recipe: Recipe, base: ModelFolder, { eos, ends }: Tokenizer) {
  return trainsScores(recipe) ? padWarnings(base, [eos, ...ends], recipe.adapter !== null) : [];
}

/** What works beside the policy, where the method has it. */
async function openBeside(
  parts: Omit<Run, Beside | 'resumed' | 'anew'>,
  functions: Functions,
  signal?: AbortSignal,
): Promise<Pick<Run, Beside>> {
  const rollouts = rolloutOptions(parts.recipe) && (await openRollouts(parts, functions));
  const held = await openHeldReference(parts, signal);
  return { rollouts, held, teacher: await openTeacher(parts) };
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

/** @throws RequestError `device_unavailable` */
export function checkDevice({ recipe, place }: ReadRecipe): void {
  const { device } = recipe.compute;
  if (device === 'auto' || device === 'cpu') return;
  throw new RequestError('device_unavailable', `compute.device ${device} is not available in this build; use cpu`, place('compute.device'));
}
