/** Recipes with stages: one run after the other, each in a folder of its own, each going on from what earlier ones made. */
import { cp, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, folderWhole, removePartial, writeFault, writeWhole } from '../../checkpoint/files.js';
import { wholeLines, writeLines } from '../../checkpoint/lines.js';
import { RequestError } from '../../errors/index.js';
import { ifThere } from '../../errors/system.js';
import { type ReadRecipe, type ReadStage, type Recipe, resolvedStages } from '../../recipe/index.js';
import type { DoneEvent, TrainingEvent } from '../events.js';
import { closeAll, openRewardFunctions } from '../rollout/judges.js';
import { checkRollouts, rolloutOptions, withoutUnused } from '../rollout/rollouts.js';
import { isBegun, RunFolder } from './folder.js';
import { LOCK } from './lock.js';
import { begunWith } from './manifest_json.js';
import { basePlace } from './open_base.js';
import { outFolder, type TrainOptions } from './prepare.js';
import { previewRecipe } from './preview.js';
import { recipeIn, refuseOtherRecipe } from './same_recipe.js';
import { ANSWERS, samples, waits } from './sample.js';
import { begunAnew, checkNewOutput, checkStart } from './starting_point.js';
import { wallTime } from './time.js';

/** Trains one recipe. */
type TrainOne = (read: ReadRecipe, options: TrainOptions, time?: string) => AsyncGenerator<TrainingEvent, void, void>;

/** A stage in its folder, with every path settled. */
interface Place {
  stage: ReadStage;
  /** From 1. */
  number: number;
  folder: string;
  /** What it makes. */
  output: string;
}

const kindOf = (recipe: Recipe) => (samples(recipe) ? ANSWERS : recipe.adapter === null ? 'model' : 'adapter');

/**
 * Trains all stages of a recipe; events carry the number of their stage. With `resume` whole stages are left as they are.
 * @throws what training one recipe throws; everything that can be known of later stages is told before the first
 */
export async function* trainStages(read: ReadRecipe, options: TrainOptions, trainOne: TrainOne): AsyncGenerator<TrainingEvent, void, void> {
  const { stages = [] } = read;
  const out = outFolder(read.recipe, options);
  const places = placesOf(stages, out);
  const lock = new RunFolder(out);
  try {
    if (options.resume === true) await lock.take();
    yield* allStages(read, { out, places, trainOne, lock }, options);
  } finally {
    await lock.close();
  }
}

interface Stages {
  out: string;
  places: readonly Place[];
  trainOne: TrainOne;
  /** The folder of all stages, to be taken as soon as it is there. */
  lock: RunFolder;
}

async function* allStages(
  read: ReadRecipe,
  { out, places, trainOne, lock }: Stages,
  options: TrainOptions,
): AsyncGenerator<TrainingEvent, void, void> {
  const { stages = [] } = read;
  const resume = options.resume ?? false;
  if (!resume) await checkNewOutput(out);
  else if (!(await isAnyBegun(out, places))) yield begunAnew(out);
  const time = await timeOf(places);
  for (const place of places.slice(1)) await checkAhead(read, place, options.signal);
  let last: DoneEvent | undefined;
  for (const place of places) {
    const recipe = settled(place.stage, places);
    if (resume && (await isWhole(place))) {
      await refuseStage(place, recipe, options);
      continue;
    }
    const stage = { ...place, stage: { ...place.stage, recipe } };
    last = yield* runStage(stage, places.length, options, (one, own) => trainOne(one, own, time));
    await lock.take();
    await writeWhole(join(out, 'recipe.yaml'), resolvedStages(stages, out));
    // People rank the answers now.
    if (waits(recipe) && place !== places.at(-1)) return yield { event: 'done', step: 0, output: place.output };
  }
  const output = await writeLast(places.at(-1) as Place, out);
  await writeWhole(join(out, 'report.json'), report(places, output));
  yield { event: 'done', step: last?.step ?? 0, output };
}

/** All stages are told the time at which the first began. */
async function timeOf([first]: readonly Place[]): Promise<string> {
  const isThere = first !== undefined && (await isBegun(first.folder));
  return isThere ? (await begunWith(first.folder)).time : wallTime();
}

function placesOf(stages: readonly ReadStage[], out: string): Place[] {
  return stages.map((stage, n) => {
    const folder = join(out, `${n + 1}-${stage.recipe.method.name}`);
    return { stage, number: n + 1, folder, output: join(folder, kindOf(stage.recipe)) };
  });
}

/** The stage's recipe with the folders of the stages that it goes on from. */
function settled({ recipe, start }: ReadStage, places: readonly Place[]): Recipe {
  const made = (n: number) => (places[n] as Place).output;
  const { model, adapter, method, data } = recipe;
  const { stage: sampled = 0, sources = [] } = start.answers ?? {};
  const judged = start.reward !== undefined && 'rewards' in method;
  return {
    ...recipe,
    model: start.model === undefined ? model : made(start.model),
    adapter: start.adapter === undefined || adapter === null ? adapter : { ...adapter, from: made(start.adapter) },
    data: data.map((source, n) => (sources.includes(n) ? { ...source, path: made(sampled) } : source)),
    method: judged ? { ...method, rewards: [{ model: made(start.reward as number), weight: 1 }] } : method,
  };
}

/**
 * Whether a stage was begun. A kill before the first step of the first stage leaves the folder above it with nothing in it.
 * @throws RequestError `nothing_to_resume`
 */
async function isAnyBegun(out: string, places: readonly Place[]): Promise<boolean> {
  await removePartial(out);
  for (const { folder } of places) if (await exists(folder)) return true;
  const names = await ifThere(readdir(out), out);
  const others = (names ?? []).filter((name) => name !== LOCK);
  if (names !== undefined && others.length === 0) return false;
  const why = others.length > 0 ? ' of this recipe’s' : '';
  throw new RequestError('nothing_to_resume', `${out} has no stage${why} to resume from; start without --resume`);
}

/** Rows, options and reward functions of a later stage, read before hours are spent on earlier ones. */
async function checkAhead(read: ReadRecipe, { stage, number }: Place, signal: AbortSignal | undefined): Promise<void> {
  const { recipe, place, start } = stage;
  checkRollouts(recipe, place);
  // Rows that are yet to be sampled are looked at when they are there.
  if (start.answers !== undefined) return;
  if (start.reward === undefined) await closeAll(await openRewardFunctions(rolloutOptions(recipe)?.rewards ?? []));
  await previewRecipe(read, { rows: 0, stage: number, signal });
}

const isWhole = async ({ folder, output }: Place) => (await exists(output)) && (await exists(join(folder, 'report.json')));

/** A whole stage is not run again, so it must have been of this recipe and of these files. */
async function refuseStage({ stage, folder, number }: Place, recipe: Recipe, { signal, onDownload }: TrainOptions): Promise<void> {
  const before = recipeIn(folder);
  const maxLength = recipe.train.maxLength === 'auto' ? before.train.maxLength : recipe.train.maxLength;
  const now = withoutUnused({ ...recipe, out: folder, train: { ...recipe.train, maxLength } }).recipe;
  refuseOtherRecipe(before, now, `stage ${number} is not the one that was trained`, []);
  const base = await basePlace({ ...stage, recipe }, { signal, onDownload });
  await checkStart(await begunWith(folder), recipe, base, { signal, weights: true });
}

async function* runStage(
  { stage, number, folder }: Place,
  stages: number,
  options: TrainOptions,
  trainOne: TrainOne,
): AsyncGenerator<TrainingEvent, DoneEvent | undefined, void> {
  const resume = options.resume === true && (await isBegun(folder));
  if (options.resume === true && !resume) await removeEmpty(folder);
  yield { event: 'stage', stage: number, stages, method: stage.recipe.method.name, folder };
  let done: DoneEvent | undefined;
  for await (const event of trainOne(stage, { ...options, out: folder, resume })) {
    if (event.event === 'done') done = event;
    else yield { ...event, stage: number };
  }
  return done;
}

/** A folder with nothing in it stands in the way of a stage. */
async function removeEmpty(folder: string): Promise<void> {
  await ifThere(rmdir(folder), folder).catch((error) => Promise.reject(writeFault(error.cause, folder)));
}

/** The last stage's output once more, where other programs look for it. */
async function writeLast({ stage, output }: Place, out: string): Promise<string> {
  const copy = join(out, kindOf(stage.recipe));
  await rm(copy, { recursive: true, force: true });
  if (samples(stage.recipe)) {
    await writeLines(copy, wholeLines(output));
    return copy;
  }
  await folderWhole(copy, (temporary) => cp(output, temporary, { recursive: true }));
  return copy;
}

function report(places: readonly Place[], output: string): string {
  const stages = places.map(({ stage, folder, output: made }) => ({ method: stage.recipe.method.name, folder, output: made }));
  return `${JSON.stringify({ output, stages }, undefined, 2)}\n`;
}
