/** Relative paths of a recipe start at its folder; a parsed recipe holds absolute ones. */
import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { isAbsent, readFault } from '../errors/system.js';
import type { MethodOptions } from './methods.js';
import type { Recipe } from './schema.js';

/** `owner/name`, with or without `@revision`. */
const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*(@[\w./-]+)?$/;

/** Whether a model is named by its place on a hub. */
export function isHubId(model: string): boolean {
  return HUB_ID.test(model);
}

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

/** Where a folder cannot be looked into, a model is not taken for one of the hub. @throws RequestError `not_readable`, WorkError `read_failed` */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw readFault(error, path);
  }
}

/** A folder or file beside the recipe, else a hub id, else the path as it would be. */
export function resolveModel(model: string, folder: string): string {
  const path = resolve(folder, model);
  return !isAbsolute(model) && isHubId(model) && !isThere(path) ? model : path;
}
