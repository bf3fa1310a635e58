/** Where a run starts: at its beginning, or with `--resume` at what an earlier process left. */
import { join } from 'node:path';
import { checkNewFolder, exists } from '../../checkpoint/files.js';
import { type Checkpoint, latestCheckpoint } from '../../checkpoint/resume.js';
import { RequestError } from '../../errors/index.js';
import type { Recipe } from '../../recipe/index.js';
import type { WarningEvent } from '../events.js';
import { isBegun, isReported } from './folder.js';
import { hasOtherLength, lastStepToGrowFrom, refuseDecayed } from './growth.js';
import { type Hashes, hashFile } from './manifest.js';
import { begunWith } from './manifest_json.js';
import { checkSameFiles, type NamedHashes, type RunHashes, recipeHashes } from './same_files.js';
import { recipeIn } from './same_recipe.js';
import type { Fixed } from './state.js';

export interface StartingPoint {
  /** Left out: the first step is to be taken. */
  checkpoint?: Checkpoint;
  /** The run was begun in its folder and left no checkpoint. */
  anew: boolean;
  /** The recipe that it was begun with, and words for the refusal of another one. */
  before?: Recipe;
  words: string;
  hashes?: RunHashes;
  time?: string;
}

/** @throws RequestError `output_exists`, `not_writable` */
export const checkNewOutput = (out: string) => checkNewFolder(out, 'go on with it by --resume, choose another --out, or delete it');

/** @throws RequestError `output_exists`, `nothing_to_resume`, and what reading a folder throws */
export async function startingPoint(out: string, resume: boolean): Promise<StartingPoint> {
  if (!resume) {
    await checkNewOutput(out);
    return { anew: false, words: '' };
  }
  const checkpoint = await latestCheckpoint(out);
  if (checkpoint !== undefined) return fromCheckpoint(checkpoint);
  if (!(await isBegun(out))) throw nothing(`${out} has no checkpoint to resume from; start without --resume`);
  if (await isReported(out)) throw nothing(`${out} holds a run that has ended, and no checkpoint of it is left; choose another --out`);
  return { anew: true, before: recipeIn(out), words: 'the recipe is not the one that was begun', ...(await begunWith(out)) };
}

const nothing = (message: string) => new RequestError('nothing_to_resume', message);

function fromCheckpoint(checkpoint: Checkpoint): StartingPoint {
  const { folder, step } = checkpoint;
  // Of another format where they are missing, which whoever reads the state says.
  const { hashes, time } = checkpoint.state as unknown as Partial<Fixed>;
  const words = `the recipe is not the one that was trained with up to step ${step}`;
  return { checkpoint, anew: false, before: recipeIn(folder), words, ...(hashes && { hashes }), ...(time && { time }) };
}

/**
 * Compares files with what they were, before they are read: what was changed may fail to be read as well.
 * @param weights whether those of the base are read here, or by whoever opens it
 * @returns what the recipe names, as it is now: nobody needs to read it a second time
 * @throws RequestError `data_changed`
 */
export async function checkStart(
  { hashes }: Pick<StartingPoint, 'hashes'>,
  recipe: Recipe,
  folder: string,
  { signal, weights = false }: { signal?: AbortSignal | undefined; weights?: boolean } = {},
): Promise<NamedHashes | undefined> {
  if (hashes === undefined) return undefined;
  const names = weights ? Object.keys(hashes.base) : [CONFIG];
  const before = Object.fromEntries(names.map((name) => [name, hashes.base[name] ?? '']));
  const { tokenizer, data, beside } = hashes;
  const named = await recipeHashes(recipe, folder, signal);
  checkSameFiles({ base: before, tokenizer, data, beside }, { base: await hashesIn(folder, names, signal), ...named });
  return named;
}

const CONFIG = 'config.json';

/** Hashes of those files of a folder that are there. */
async function hashesIn(folder: string, names: readonly string[], signal?: AbortSignal): Promise<Hashes> {
  const hashes: Hashes = {};
  for (const name of names) {
    const path = join(folder, name);
    if (await exists(path)) hashes[name] = await hashFile(path, signal);
  }
  return hashes;
}

/**
 * The checkpoint to go on from, where the recipe may ask for more steps than the run was begun with.
 * @throws RequestError `recipe_changed` where its schedule does not allow that
 */
export async function grown(
  { checkpoint, before }: StartingPoint,
  recipe: Recipe,
  out: string,
  stepsOf: (recipe: Recipe) => number,
): Promise<Checkpoint | undefined> {
  if (checkpoint === undefined || before === undefined || !hasOtherLength(before, recipe)) return checkpoint;
  const last = lastStepToGrowFrom(recipe, { before: stepsOf(before), now: stepsOf(recipe) });
  if (checkpoint.step <= last) return checkpoint;
  return (await latestCheckpoint(out, last)) ?? refuseDecayed(last, out);
}

/** Told to whoever listens, and not kept: what the run does is what it would have done without the cut. */
export const begunAnew = (out: string): WarningEvent => ({
  event: 'warning',
  code: 'begun_anew',
  message: `the run in ${out} was cut before its first checkpoint: it begins anew, at its first step`,
});
