/** Relative paths of a recipe start at its folder; a parsed recipe holds absolute ones. */
import { resolve } from 'node:path';
import { resolveModel } from '../options/model_name.js';
import type { MethodOptions } from './method.js';
import type { Recipe } from './schema.js';

/** The recipe with every path absolute. A model that is no path on this machine but reads like a hub id stays as it is. */
export function resolvePaths(recipe: Recipe, folder: string): Recipe {
  const full = (path: string) => resolve(folder, path);
  const sources = (data: Recipe['data']) => data.map((source) => ({ ...source, path: full(source.path) }));
  const { adapter, evaluate, out } = recipe;
  return {
    ...recipe,
    model: resolveModel(recipe.model, folder),
    adapter: adapter !== null && 'from' in adapter ? { ...adapter, from: full(adapter.from) } : adapter,
    method: methodPaths(recipe.method, full),
    data: sources(recipe.data),
    evaluate: evaluate?.data === undefined ? evaluate : { ...evaluate, data: sources(evaluate.data) },
    ...(out === undefined ? {} : { out: full(out) }),
  };
}

/** Folders of teachers, references and reward models, and files of reward functions. */
function methodPaths(method: MethodOptions, full: (path: string) => string): MethodOptions {
  const whole = { ...method };
  if ('reference' in whole && !['start', 'base'].includes(whole.reference)) whole.reference = full(whole.reference);
  if ('teacher' in whole) whole.teacher = full(whole.teacher);
  if ('rewards' in whole && whole.rewards !== undefined)
    whole.rewards = whole.rewards.map((one) =>
      'model' in one ? { ...one, model: full(one.model) } : { ...one, function: full(one.function) },
    );
  return whole;
}
