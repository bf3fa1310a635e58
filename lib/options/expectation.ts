/** Says in words what a place of the schema accepts, and finds that place. */
import type { JsonSchema } from './json_schema.js';

export type Path = readonly (string | number)[];

/** `['data', 0, 'path']` → `data.0.path`. */
export const dotted = (path: Path) => path.join('.');

const SAFE = Number.MAX_SAFE_INTEGER;

/** What a value must be, as words after "must be". */
export function expectation(schema: JsonSchema): string {
  if (schema.expected !== undefined) return schema.expected;
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) return orList([...new Set(branches.flatMap(choices))]);
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum !== undefined) return schema.enum.length === 1 ? String(schema.enum[0]) : `one of ${schema.enum.join(', ')}`;
  return byType(schema);
}

/** The words of an enum stand beside the other branches of a union. */
function choices(branch: JsonSchema): string[] {
  const open = branch.expected === undefined ? (branch.anyOf ?? branch.oneOf) : undefined;
  if (open !== undefined) return open.flatMap(choices);
  return branch.enum === undefined ? [expectation(branch)] : branch.enum.map(String);
}

function byType(schema: JsonSchema): string {
  switch (schema.type) {
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'number':
      return `a number${range(schema)}`;
    case 'string':
      return 'a text';
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'array':
      return schema.minItems === undefined ? 'a list' : `a list of at least ${schema.minItems}`;
    default:
      return `{ ${shortened(Object.keys(schema.properties ?? {}))} }`;
  }
}

const shortened = (keys: string[]) => (keys.length > 8 ? [...keys.slice(0, 7), '…'] : keys).join(', ');

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const low = minimum === undefined || minimum === -SAFE ? above(exclusiveMinimum) : `of at least ${minimum}`;
  const high = maximum === undefined || maximum === SAFE ? below(exclusiveMaximum) : `at most ${maximum}`;
  const both = [low, high].filter((part) => part !== '').join(' and ');
  return both === '' ? '' : ` ${both}`;
}

const above = (limit: number | undefined) => (limit === undefined || limit === -SAFE ? '' : `above ${limit}`);
const below = (limit: number | undefined) => (limit === undefined || limit === SAFE ? '' : `below ${limit}`);

/** `a, b or c`. */
export function orList(parts: string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} or ${parts.at(-1)}`;
}

/** Every schema that may describe the value at `path` (several where branches differ). */
export function schemasAt(schema: JsonSchema, path: Path): JsonSchema[] {
  const [key, ...rest] = path;
  if (key === undefined) return [schema];
  const branches = schema.anyOf ?? schema.oneOf;
  if (branches !== undefined) return branches.flatMap((branch) => schemasAt(branch, path));
  const next = typeof key === 'number' ? (schema.prefixItems?.[key] ?? schema.items) : schema.properties?.[key];
  return next === undefined ? [] : schemasAt(next, rest);
}

/** Keys that may stand at `path`. */
export function keysAt(schema: JsonSchema, path: Path): string[] {
  const open = (found: JsonSchema): JsonSchema[] => (found.anyOf ?? found.oneOf ?? []).flatMap(open).concat(found);
  return [
    ...new Set(
      schemasAt(schema, path)
        .flatMap(open)
        .flatMap((found) => Object.keys(found.properties ?? {})),
    ),
  ];
}

/** Words that may stand at `path`: the members of its enums and constants. */
export function wordsAt(schema: JsonSchema, path: Path): string[] {
  const open = (found: JsonSchema): unknown[] => [...(found.enum ?? []), found.const, ...(found.anyOf ?? found.oneOf ?? []).flatMap(open)];
  return schemasAt(schema, path)
    .flatMap(open)
    .filter((word): word is string => typeof word === 'string');
}

/** A value in a message: short, on one line. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (value !== null && typeof value === 'object') return `{ ${shortened(Object.keys(value))} }`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}
