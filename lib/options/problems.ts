/** Turns what the schema found wrong into messages that name key, expectation, actual value and the nearest valid key. */
import type * as z from 'zod';
import { nearest } from '../errors/index.js';
import { dotted, expectation, keysAt, type Path, schemasAt, shown, wordsAt } from './expectation.js';
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
  return issues.flatMap((issue) => problems(issue, issue.path as Path, value));
}

function problems(issue: Issue, path: Path, value: unknown): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key]));
  if (issue.code === 'custom') return [{ path, onKey: false, message: issue.message }];
  if (issue.code === 'invalid_union') {
    const branch = meantBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => problems(inner, [...path, ...(inner.path as Path)], value));
  }
  return [wrongValue(path, valueAt(value, path))];
}

/** The one branch of a union that the value was meant for: the branch that accepts its type and complains only about what is inside it. */
function meantBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const meant = branches.filter((issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0 || insideOnly(issue)));
  const known = meant.filter((issues) => issues.every((issue) => issue.code !== 'unrecognized_keys'));
  const [first, second] = known.length > 0 ? known : meant;
  return second === undefined ? first : undefined;
}

const insideOnly = (issue: Issue) => issue.code === 'unrecognized_keys' || issue.code === 'custom';

function unknownKey(path: Path): Problem {
  const schema = describedSchema();
  const [key, parent] = [String(path.at(-1)), path.slice(0, -1)];
  const known = keysAt(schema, parent);
  const guess = nearest(key, known) ?? elsewhere(key);
  const hint = guess === undefined ? `; known are ${known.join(', ')}` : `; did you mean ${guess}?`;
  return { path, onKey: true, message: `${dotted(path)} is not a key of ${parent.length === 0 ? 'a recipe' : dotted(parent)}${hint}` };
}

/** `learningRate` at the top is `train.learningRate`. */
function elsewhere(key: string): string | undefined {
  const schema = describedSchema();
  const groups = keysAt(schema, []).filter((group) => keysAt(schema, [group]).includes(key));
  return groups.length === 0 ? undefined : `${groups[0]}.${key}`;
}

function wrongValue(path: Path, actual: unknown): Problem {
  const schema = describedSchema();
  const expected = [...new Set(schemasAt(schema, path).map(expectation))].join(' or ');
  if (actual === undefined) return { path, onKey: false, message: `${dotted(path)} is missing; it must be ${expected}${purpose(path)}` };
  const guess = typeof actual === 'string' ? nearest(actual, wordsAt(schema, path)) : undefined;
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
  const message =
    path.length === 0
      ? `a recipe must be ${expected}, not ${shown(actual)}`
      : `${dotted(path)} must be ${expected}, not ${shown(actual)}${hint}`;
  return { path, onKey: false, message };
}

function purpose(path: Path): string {
  const { description = '' } = schemasAt(describedSchema(), path)[0] ?? {};
  return description === '' ? '' : ` (${description.slice(0, 1).toLowerCase()}${description.slice(1).replace(/\.$/, '')})`;
}

/** The value at `path`, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, key) => (at !== null && typeof at === 'object' ? (at as Record<string, unknown>)[key] : undefined),
    value,
  );
}
