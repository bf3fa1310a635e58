/** Whether what lies in a folder was made by the recipe that would go on with it, from the same files. */
import { join } from 'node:path';
import { RequestError } from '../../errors/index.js';
import { HARMLESS_KEYS, type Recipe, readRecipe, recipeDifferences } from '../../recipe/index.js';
import { LENGTH_KEYS } from './growth.js';

/** The recipe that a run or a checkpoint wrote beside what it made. */
export const recipeIn = (folder: string): Recipe => readRecipe(join(folder, 'recipe.yaml')).recipe;

/** Keys named in one refusal. */
const MOST_SHOWN = 8;

/**
 * Keys that change no number (`HARMLESS_KEYS`) may differ, and where files and folders lie, whose contents are compared by hashes. The length is
 * compared by who knows the steps.
 * @param what is said before the keys that differ
 * @param besides further keys that may differ
 * @throws RequestError `recipe_changed`
 */
export function refuseOtherRecipe(before: Recipe, now: Recipe, what: string, besides: readonly string[] = LENGTH_KEYS): void {
  const differences = recipeDifferences(before, now, [...HARMLESS_KEYS, ...besides], 'moved');
  if (differences.length === 0) return;
  const shown = (value: unknown) => (value === undefined ? 'left out' : JSON.stringify(value));
  const lines = differences.slice(0, MOST_SHOWN).map(({ key, before, after }) => `  ${key}: was ${shown(before)}, now ${shown(after)}`);
  const message = `${what}:\n${lines.join('\n')}\nstart anew with another --out, or take the old values`;
  throw new RequestError('recipe_changed', message);
}
