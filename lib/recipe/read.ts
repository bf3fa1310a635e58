/** Recipes from a file or an object: read, changed by `--set`, checked, made whole. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ErrorPlace, RequestError } from '../errors/index.js';
import type { Path } from '../options/expectation.js';
import { parseText } from '../options/positions.js';
import { resolvePaths } from './paths.js';
import { type Problem, problemsOf } from './problems.js';
import { type Recipe, type RecipeInput, recipeSchema, type StagedInput } from './schema.js';
import { applySetting, driveOut, parseSetting, type Setting, touches } from './settings.js';
import { placed, type StageStart, stagesOf } from './stages.js';

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
  /** The stages of a recipe that has some; `recipe` is then the first one's. */
  stages?: readonly ReadStage[];
}

/** A stage as a recipe of its own. Where it goes on from an earlier one, its paths are settled when that one is done. */
export interface ReadStage {
  recipe: Recipe;
  place(key: string): ErrorPlace;
  start: StageStart;
}

/**
 * Reads a YAML or JSON file. Errors are `RequestError`s with line and column; relative paths start at the file's folder.
 * @throws RequestError `missing_recipe`, `malformed_recipe`, `bad_recipe`, `bad_setting`
 */
export function readRecipe(file: string, options: ReadOptions = {}): ReadRecipe {
  const text = parseText(readText(file), file);
  return build(text.value, (path, onKey) => text.place(path, onKey), { folder: dirname(resolve(file)), ...options });
}

/** Takes a recipe as an object, with the same checks and defaults. */
export function parseRecipe(value: RecipeInput | StagedInput | unknown, options: ReadOptions = {}): ReadRecipe {
  return build(structuredClone(value), () => ({}), { folder: process.cwd(), ...options });
}

type Locate = (path: Path, onKey?: boolean) => ErrorPlace;

function build(value: unknown, locate: Locate, { set = [], folder }: ReadOptions): ReadRecipe {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new RequestError('bad_recipe', 'a recipe must be keys and values, as `model: …`, `method: sft`, `data: …`', locate([]));
  const settings = set.map(parseSetting);
  driveOut(value as Record<string, unknown>, settings);
  for (const setting of settings) applySetting(value as Record<string, unknown>, setting);
  const source = { settings, locate, folder: resolve(folder ?? '.') };
  return 'stages' in value ? buildStages(value as Record<string, unknown>, source) : buildOne(value as Record<string, unknown>, source);
}

interface Source {
  settings: Setting[];
  locate: Locate;
  folder: string;
}

function buildOne(value: Record<string, unknown>, { settings, locate, folder }: Source): ReadRecipe {
  const { recipe, problems } = checked(value, folder);
  if (recipe === undefined) throw report(problems, settings, locate);
  return { recipe, place: (key) => locate(key.split('.')) };
}

/** All stages are checked before anything is said of them. */
function buildStages(value: Record<string, unknown>, { settings, locate, folder }: Source): ReadRecipe {
  const { stages, problems: ofList } = stagesOf(value);
  if (ofList.length > 0) throw report(ofList, settings, locate);
  const read = stages.map((stage, n) => {
    const within = (path: Path) => placed(path, stage, value, n);
    const place: ReadRecipe['place'] = (key) => locate(within(key.split('.')).path);
    const { recipe, problems } = checked(stage.value, folder);
    const all = [...stage.problems, ...problems].map((problem) => {
      const { path, inStage } = within(problem.path);
      return { ...problem, path, message: inStage ? `stage ${n + 1}: ${problem.message}` : problem.message };
    });
    return { recipe: recipe as Recipe, place, start: stage.start, problems: all };
  });
  const problems = read.flatMap((stage) => stage.problems);
  const distinct = problems.filter((one, n) => problems.findIndex((other) => other.message === one.message) === n);
  if (distinct.length > 0) throw report(distinct, settings, locate);
  return { recipe: read[0]?.recipe as Recipe, place: (key) => locate(key.split('.')), stages: read };
}

/** The recipe with every default, or what is wrong with it. */
function checked(value: Record<string, unknown>, folder: string): { recipe: Recipe | undefined; problems: Problem[] } {
  dropEmptyGroups(value);
  const parsed = recipeSchema.safeParse(value);
  if (!parsed.success) return { recipe: undefined, problems: problemsOf(parsed.error.issues, value) };
  return { recipe: resolvePaths(parsed.data, folder), problems: [] };
}

/** `train:` with nothing below it is a group without keys, not a value. */
function dropEmptyGroups(value: Record<string, unknown>): void {
  for (const group of ['compute', 'checks', 'train']) if (value[group] === null) delete value[group];
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
