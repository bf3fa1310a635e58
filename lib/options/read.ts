/** Recipes from a file or an object: read, changed by `--set`, checked, made whole. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ErrorPlace, RequestError } from '../errors/index.js';
import type { Path } from './expectation.js';
import { LATER_METHODS, METHOD_NAMES, type MethodName } from './methods.js';
import { methodOf } from './narrow.js';
import { resolvePaths } from './paths.js';
import { parseText } from './positions.js';
import { type Problem, problemsOf } from './problems.js';
import { type Recipe, type RecipeInput, recipeSchema } from './schema.js';
import { applySetting, parseSetting, type Setting, touches } from './settings.js';

export interface ReadOptions {
  /** Changes as `--set` takes them: `train.steps=3`. */
  set?: readonly string[];
  /** Folder that relative paths start at. Default: the recipe's folder, or the current one for an object. */
  folder?: string;
}

/** A recipe with the way back to what the user wrote. */
export interface ReadRecipe {
  recipe: Recipe;
  /** Place of a dotted key (`train.maxLength`), for errors that show up later. Empty for a recipe given as an object. */
  place(key: string): ErrorPlace;
}

/**
 * Reads a YAML or JSON file. Errors are `RequestError`s with line and column; relative paths start at the file's folder.
 * @throws RequestError `missing_recipe`, `malformed_recipe`, `bad_recipe`, `bad_setting`, `not_available`
 */
export function readRecipe(file: string, options: ReadOptions = {}): ReadRecipe {
  const text = parseText(readText(file), file);
  return build(text.value, (path, onKey) => text.place(path, onKey), { folder: dirname(resolve(file)), ...options });
}

/** Takes a recipe as an object, with the same checks and defaults. */
export function parseRecipe(value: RecipeInput | unknown, options: ReadOptions = {}): ReadRecipe {
  return build(structuredClone(value), () => ({}), { folder: process.cwd(), ...options });
}

type Locate = (path: Path, onKey?: boolean) => ErrorPlace;

function build(value: unknown, locate: Locate, { set = [], folder }: ReadOptions): ReadRecipe {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new RequestError('bad_recipe', 'a recipe must be keys and values, as `model: …`, `method: sft`, `data: …`', locate([]));
  const settings = set.map(parseSetting);
  for (const setting of settings) applySetting(value as Record<string, unknown>, setting);
  refuseLater(value as Record<string, unknown>, locate);
  dropEmptyGroups(value as Record<string, unknown>);
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) throw report(problemsOf(parsed.error.issues, value), settings, locate);
  return { recipe: resolvePaths(parsed.data, resolve(folder ?? '.')), place: (key) => locate(key.split('.')) };
}

/** `train:` with nothing below it is a group without keys, not a value. */
function dropEmptyGroups(value: Record<string, unknown>): void {
  for (const group of ['compute', 'checks', 'train']) if (value[group] === null) delete value[group];
}

/** What the contract knows and this version cannot do yet. */
function refuseLater(value: Record<string, unknown>, locate: Locate): void {
  if (value.stages !== undefined)
    throw new RequestError('not_available', 'stages are not available yet; give one method', locate(['stages'], true));
  const name = methodOf(value) as MethodName;
  if (!LATER_METHODS.includes(name)) return;
  const available = METHOD_NAMES.filter((one) => !LATER_METHODS.includes(one));
  throw new RequestError('not_available', `method ${name} is not available yet; available: ${available.join(', ')}`, locate(['method']));
}

const MOST_SHOWN = 6;

function report(problems: Problem[], settings: Setting[], locate: Locate): RequestError {
  const lines = problems.slice(0, MOST_SHOWN).map((problem) => {
    const setting = settings.find((one) => touches(one, problem.path, problem.onKey));
    const place = setting === undefined ? locate(problem.path, problem.onKey) : {};
    return { place, text: setting === undefined ? problem.message : `--set ${setting.text}: ${problem.message}` };
  });
  const prefixed = lines.map(({ place, text }) =>
    place.file === undefined ? text : `${place.file}:${place.line}:${place.column}: ${text}`,
  );
  const more = problems.length > MOST_SHOWN ? [`and ${problems.length - MOST_SHOWN} more`] : [];
  return new RequestError('bad_recipe', [...prefixed, ...more].join('\n'), lines[0]?.place ?? {});
}

function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new RequestError('missing_recipe', 'no such recipe', { file, cause });
    if (code === 'EISDIR') throw new RequestError('missing_recipe', 'is a folder; expected a recipe in YAML or JSON', { file, cause });
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') throw new RequestError('malformed_recipe', 'is no UTF-8 text', { file, cause });
    throw new RequestError('missing_recipe', `cannot be read: ${(cause as Error).message}`, { file, cause });
  }
}
