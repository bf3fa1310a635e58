/** A recipe written out whole, and two recipes compared. */
import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { stringify } from 'yaml';
import { type ErrorPlace, RequestError } from '../errors/index.js';
import { WRITTEN } from '../options/written.js';
import type { ReadStage } from './read.js';
import type { Recipe } from './schema.js';
import { SAMPLING } from './schema.js';
import { LENGTH_LIMIT } from './train.js';

/** Order in which a resolved recipe is written. */
const ORDER = [
  'model',
  'compute',
  'adapter',
  'method',
  'data',
  'template',
  'checks',
  'train',
  'evaluate',
  'out',
] as const satisfies readonly (keyof Recipe)[];

/** The recipe as YAML with every default written out and absolute paths. It reads back as the same recipe, wherever it lies. */
export function resolvedRecipe(recipe: Recipe): string {
  const ordered = Object.fromEntries(ORDER.filter((key) => recipe[key] !== undefined).map((key) => [key, recipe[key]]));
  return HEADER + stringify(ordered, { lineWidth: 0, aliasDuplicateObjects: false });
}

const HEADER = `${WRITTEN} every default is filled in and every path is absolute.\n`;

/** A recipe with stages in the same way: each stage whole but for what it takes from earlier ones. */
export function resolvedStages(stages: readonly ReadStage[], out: string): string {
  const written = stages.map(({ recipe, start }) => {
    const { model, adapter, method, out: _, data, ...rest } = recipe;
    const { sources = [] } = start.answers ?? {};
    const read = data.map(({ path, weight }, n) => (sources.includes(n) ? { stage: SAMPLING, weight } : { path, weight }));
    const { rewards: __, ...judged } = { rewards: undefined, ...method };
    const goesOn = start.adapter !== undefined && adapter !== null ? { dropout: adapter.dropout, seed: adapter.seed } : adapter;
    const named = start.anew === true ? { model } : {};
    return { method: start.reward === undefined ? method : judged, ...named, adapter: goesOn, data: read, ...rest };
  });
  const whole = { model: stages[0]?.recipe.model, stages: written, out };
  return HEADER + stringify(whole, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** One key that differs; undefined where a recipe has no such key. */
export interface Difference {
  key: string;
  before: unknown;
  after: unknown;
}

/** Keys that cannot change a result: another value of them is no reason to refuse `--resume`. */
export const HARMLESS_KEYS: readonly string[] = ['out', 'compute.threads', 'train.checkpointEvery'];

/**
 * Dotted keys in which two recipes differ, in the order of the recipe. Keys in `ignore` are left out.
 * @param paths `moved`: files and folders may lie elsewhere, as whoever asks compares what is in them
 */
export function recipeDifferences(
  before: Recipe,
  after: Recipe,
  ignore: readonly string[] = [],
  paths: 'fixed' | 'moved' = 'fixed',
): Difference[] {
  const [old, now] = [leaves(before), leaves(after)];
  const same = (key: string) =>
    isDeepStrictEqual(old.get(key), now.get(key)) || (paths === 'moved' && hasMoved(key, old.get(key), now.get(key)));
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => !ignore.includes(key) && !same(key))
    .map((key) => ({ key, before: old.get(key), after: now.get(key) }));
}

/** Keys that name files and folders. */
const PLACE = /^(model|adapter\.from|method\.(teacher|reference)|method\.rewards\.\d+\.model|(evaluate\.)?data\.\d+\.path)$/;
const FUNCTION = /^method\.rewards\.\d+\.function$/;

/** Whether both name something that lies somewhere. What reward functions do is not compared, so their file keeps its name. */
function hasMoved(key: string, old: unknown, now: unknown): boolean {
  if (typeof old !== 'string' || typeof now !== 'string') return false;
  if (FUNCTION.test(key)) return basename(old) === basename(now);
  return PLACE.test(key) && !POLICY.includes(old) && !POLICY.includes(now);
}

/** References that are no folder. */
const POLICY = ['start', 'base'];

function leaves(value: unknown, key = '', found = new Map<string, unknown>()): Map<string, unknown> {
  if (value === null || typeof value !== 'object' || (Array.isArray(value) && value.every((item) => typeof item !== 'object'))) {
    if (value !== undefined) found.set(key, value);
    return found;
  }
  for (const [name, inner] of Object.entries(value)) leaves(inner, key === '' ? name : `${key}.${name}`, found);
  return found;
}

/** The folder of the adapter that training goes on from; undefined: the adapter is new, or all weights are trained. */
export const broughtAdapter = ({ adapter }: Pick<Recipe, 'adapter'>): string | undefined =>
  adapter !== null && 'from' in adapter ? adapter.from : undefined;

/**
 * The recipe with `train.maxLength` as a number, now that the model's context is known.
 * @throws RequestError `beyond_context` where it asks for more than the model can see
 */
export function withMaxLength(recipe: Recipe, context: number, place: ErrorPlace = {}): Recipe & { train: { maxLength: number } } {
  const { maxLength } = recipe.train;
  if (maxLength !== 'auto' && maxLength > context)
    throw new RequestError('beyond_context', `train.maxLength ${maxLength} is beyond the model's context of ${context} tokens`, place);
  return { ...recipe, train: { ...recipe.train, maxLength: maxLength === 'auto' ? Math.min(LENGTH_LIMIT, context) : maxLength } };
}
