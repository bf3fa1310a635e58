/** Turns what the schema found wrong into messages that name key, expectation, actual value and the nearest valid key. */
import type * as z from 'zod';
import { nearest } from '../errors/index.js';
import { dotted, expectation, keysAt, orList, type Path, schemasAt, shown, wordsAt } from '../options/expectation.js';
import type { JsonSchema } from '../options/json_schema.js';
import { methodOf, narrowed } from './narrow.js';
import { describedSchema } from './schema.js';

/** One thing wrong with a recipe. `onKey`: the fault is the key itself, not its value. */
export interface Problem {
  path: Path;
  onKey: boolean;
  message: string;
}

type Issue = z.core.$ZodIssue;

/** All problems that the schema's issues come to, in their order. `value` is the recipe as written. */
export function problemsOf(issues: readonly Issue[], value: unknown): Problem[] {
  const recipe = { value, schema: narrowed(describedSchema(), value) };
  return issues.flatMap((issue) => problems(issue, issue.path as Path, recipe));
}

/** A recipe as written, and the schema that describes it. */
interface Described {
  value: unknown;
  schema: JsonSchema;
}

function problems(issue: Issue, path: Path, recipe: Described): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], recipe));
  if (issue.code === 'custom') return [{ path, onKey: false, message: issue.message }];
  if (issue.code === 'invalid_union') {
    const branch = meantBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => problems(inner, [...path, ...(inner.path as Path)], recipe));
  }
  return [wrongValue(path, recipe)];
}

/** The one branch of a union that the value was meant for: the branch that accepts its type and complains only about what is inside it. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const meant = branches.filter((issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0 || insideOnly(issue)));
  const known = meant.filter((issues) => issues.every((issue) => issue.code !== 'unrecognized_keys'));
  const [first, second] = known.length > 0 ? known : meant;
  return second === undefined ? first : undefined;
}

const insideOnly = (issue: Issue) => issue.code === 'unrecognized_keys' || issue.code === 'custom';

function unknownKey(path: Path, recipe: Described): Problem {
  const { schema } = recipe;
  const [key, parent] = [String(path.at(-1)), path.slice(0, -1)];
  const known = keysAt(schema, parent);
  const guess = nearest(key, known) ?? elsewhere(key, schema);
  const hint = guess === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${guess}?`;
  return { path, onKey: true, message: `${dotted(path)} is not ${memberOf(parent, recipe)}${hint}` };
}

function memberOf(parent: Path, { value }: Described): string {
  if (parent.length === 0) return 'a key of a recipe';
  const method = dotted(parent) === 'method' ? methodOf(value) : undefined;
  return method === undefined ? `a key of ${dotted(parent)}` : `an option of ${method}`;
}

/** `learningRate` at the top is `train.learningRate`. */
function elsewhere(key: string, schema: JsonSchema): string | undefined {
  const groups = keysAt(schema, []).filter((group) => keysAt(schema, [group]).includes(key));
  return groups.length === 0 ? undefined : `${groups[0]}.${key}`;
}

function wrongValue(path: Path, { value, schema }: Described): Problem {
  const actual = valueAt(value, path);
  const expected = orList([...new Set(schemasAt(schema, path).map(expectation))]);
  if (actual === undefined) {
    const method = path[0] === 'method' ? methodOf(value) : undefined;
    const where = method === undefined ? dotted(path) : `${dotted(path)} of ${method}`;
    return { path, onKey: false, message: `${where} is missing; it must be ${expected}${purpose(path, schema)}` };
  }
  const guess = typeof actual === 'string' ? nearest(actual, wordsAt(schema, path)) : undefined;
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
  const name = path.length === 0 ? 'a recipe' : dotted(path);
  return { path, onKey: false, message: `${name} must be ${expected}, not ${shown(actual)}${hint}` };
}

function purpose(path: Path, schema: JsonSchema): string {
  const { description = '' } = schemasAt(schema, path)[0] ?? {};
  return description === '' ? '' : ` (${description.slice(0, 1).toLowerCase()}${description.slice(1).replace(/\.$/, '')})`;
}

/** The value at `path`, or undefined. */
function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) => (at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[key] : undefined),
    value,
  );
}
