// Recipes over tiny models with rows of preferences.
import { join } from 'node:path';
import { tinyRecipe, tinyText, writeRows } from './events.js';

/** Pairs of made-up texts, answers of uneven lengths; every third has a margin. */
export const tinyPairs = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    prompt: tinyText(n).slice(0, 12),
    chosen: ` ${tinyText(n + 3).slice(0, 8 + (n % 5))}`,
    rejected: ` ${tinyText(2 * n + 1).slice(0, 6 + (n % 7))}!`,
    margin: n % 3 === 0 ? 0.5 : 0,
  }));

/** Thumbs, two up for each one down. */
export const tinyThumbs = (count: number) =>
  tinyPairs(count).map(({ prompt, chosen, rejected }, n) => ({ prompt, completion: n % 3 === 0 ? rejected : chosen, label: n % 3 !== 0 }));

/** Rankings of three answers. */
export const tinyRankings = (count: number) =>
  tinyPairs(count).map(({ prompt, chosen, rejected }, n) => ({ prompt, ranking: [chosen, rejected, ` ${n}`] }));

/** A recipe whose rows are these. */
export function preferenceRecipe(folder: string, method: object, rows: readonly object[], change: Record<string, unknown> = {}, more = {}) {
  const recipe = tinyRecipe(folder, { method, ...change }, more);
  return { ...recipe, data: writeRows(join(folder, 'preferences.jsonl'), rows) };
}
