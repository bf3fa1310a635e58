/** Whether what lies in a folder was made by the recipe that would go on with it, from the same files. */
import { join } from 'node:path';
import { readJson } from '../checkpoint/json_file.js';
import { RequestError } from '../errors/index.js';
import { HARMLESS_KEYS, type Recipe, readRecipe, recipeDifferences } from '../options/index.js';
import type { Hashes } from './manifest.js';
import { checkSame, type RunHashes } from './run_state.js';

/** The recipe that a run or a checkpoint wrote beside what it made. */
export const recipeIn = (folder: string): Recipe => readRecipe(join(folder, 'recipe.yaml')).recipe;

/** Keys named in one refusal. */
const MOST_SHOWN = 8;

/**
 * Keys that change no number (`HARMLESS_KEYS`) may differ.
 * @param what is said before the keys that differ
 * @throws RequestError `recipe_changed`
 */
export function refuseOtherRecipe(before: Recipe, now: Recipe, what: string): void {
  const differences = recipeDifferences(before, now, HARMLESS_KEYS);
  if (differences.length === 0) return;
  const shown = (value: unknown) => (value === undefined ? 'left out' : JSON.stringify(value));
  const lines = differences.slice(0, MOST_SHOWN).map(({ key, before, after }) => `  ${key}: was ${shown(before)}, now ${shown(after)}`);
  const message = `${what}:\n${lines.join('\n')}\nstart anew with another --out, or take the old values`;
  throw new RequestError('recipe_changed', message);
}

/**
 * Refuses to go on in `out` where another recipe made it, or this one from other files.
 * @throws RequestError `recipe_changed`, `data_changed`
 */
export async function refuseOtherRun(out: string, recipe: Recipe, { base, data, beside }: RunHashes): Promise<void> {
  refuseOtherRecipe(recipeIn(out), recipe, 'the recipe is not the one that was begun');
  const manifest = await readJson(join(out, 'manifest.json'));
  const sha256 = (part: unknown) => (part as { sha256: Hashes }).sha256;
  checkSame('base', sha256(manifest.model), base);
  checkSame('data', sha256(manifest.data), data);
  checkSame('beside', manifest.beside as Hashes, beside);
}
