/** What a run over recorded preferences needs beside model and rows: the frozen reference, and remarks on the rows. */
import type { Adapter } from '../checkpoint/adapter.js';
import type { ModelFolder } from '../checkpoint/model_folder.js';
import type { Counts, Warning } from '../data/index.js';
import { methods } from '../methods/index.js';
import type { NativeModel } from '../native.js';
import type { Recipe } from '../options/index.js';
import { FrozenModels, openReference, type Reference } from './reference.js';

/** What the recipe's policy is held to, where its method learns from rows and has such a thing. */
export function wantedReference({ method }: Pick<Recipe, 'method'>): string | undefined {
  return 'reference' in method && methods[method.name].needs.rollouts !== true ? method.reference : undefined;
}

/** Whether the reference is a second model in memory: where all weights are trained. */
export const needsOtherModel = (recipe: Recipe) => recipe.adapter === null && wantedReference(recipe) !== undefined;

export interface PreferenceSource {
  recipe: Recipe;
  base: ModelFolder;
  native: NativeModel;
  /** As it was before the run. */
  adapter: Adapter | undefined;
}

/** A reference, and what puts it away. */
export interface HeldReference {
  reference: Reference;
  close(): Promise<void>;
}

/** Opens the reference beside a loaded model; undefined where the method has none. */
export async function openHeldReference({ recipe, base, native, adapter }: PreferenceSource): Promise<HeldReference | undefined> {
  const wanted = wantedReference(recipe);
  if (wanted === undefined) return undefined;
  const frozen = new FrozenModels(recipe.compute, { base, native, isAdapter: adapter !== undefined });
  const start = adapter && { start: adapter, brought: recipe.adapter !== null && 'from' in recipe.adapter };
  try {
    return { reference: await openReference(wanted, base, start, frozen), close: () => frozen.dispose() };
  } catch (error) {
    await frozen.dispose();
    throw error;
  }
}

/** Weighted ratio of liked to disliked answers that KTO's authors advise: from 1 to 4 / 3 (Ethayarajh et al. 2024, section 4.3). */
const BALANCE: readonly [number, number] = [1, 4 / 3];

/** What is to be said of rows before the first step. */
export function preferenceWarnings({ method }: Pick<Recipe, 'method'>, { units = {} }: Pick<Counts, 'units'>): Warning[] {
  if (method.name !== 'kto') return [];
  const { up = 0, down = 0 } = units;
  const ratio = (method.desirableWeight * up) / (method.undesirableWeight * down);
  if (!Number.isFinite(ratio) || (ratio >= BALANCE[0] && ratio <= BALANCE[1])) return [];
  const advised = (method.undesirableWeight * down) / up;
  const advice = `method.desirableWeight ${advised.toPrecision(3)} to ${((advised * 4) / 3).toPrecision(3)}`;
  const message = `${up} answers are liked and ${down} are not: weight × number of the liked is ${ratio.toPrecision(3)} times that of the others, best is 1 to 1.33; try ${advice}`;
  return [{ code: 'unbalanced', message }];
}
