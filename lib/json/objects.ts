/**
 * Objects whose keys keep the order of the file. JavaScript puts keys that look like whole numbers first, in order of size ("2" before "10"):
 * an object that has such keys carries the order beside them, under a symbol, which copies by spreading keep.
 */
import { Float } from './numbers.js';

const ORDER = Symbol('order of keys');

type Ordered = Record<string, unknown> & { [ORDER]?: readonly string[] };

/** Keys that JavaScript moves: whole numbers below 2^32 - 1, written without leading zeros. */
const MOVED = /^(?:0|[1-9]\d{0,9})$/;

/** An object of entries in their order; of a key that comes twice the last value counts, in the first one's place, as in Python. */
export function objectFrom(entries: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  const object: Ordered = {};
  const keys = new Set<string>();
  let isMoved = false;
  for (const [key, value] of entries) {
    put(object, key, value);
    keys.add(key);
    isMoved ||= MOVED.test(key);
  }
  if (isMoved) object[ORDER] = [...keys];
  return object;
}

/** As `object[key] = value`, but a key `__proto__` is a key like others. */
function put(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Keys in the order of the file, those that were added later behind them. */
export function keysOf(object: object): string[] {
  const own = Object.keys(object);
  const order = (object as Ordered)[ORDER];
  if (order === undefined) return own;
  const here = new Set(own);
  const known = order.filter((key) => here.has(key));
  const before = new Set(known);
  return [...known, ...own.filter((key) => !before.has(key))];
}

/** Keys and values in the order of `keysOf`. */
export const entriesOf = (object: object): [string, unknown][] =>
  keysOf(object).map((key) => [key, (object as Record<string, unknown>)[key]]);

/** Whether a value is an object of keys: no list, no number with its text, no date. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && Object.getPrototypeOf(value) === Object.prototype;

/** The value with every `Float` as a plain number: what functions of users are given. Whole numbers beyond 2^53 stay `bigint`. */
export function plainValue(value: unknown): unknown {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return value.map(plainValue);
  return isObject(value) ? objectFrom(entriesOf(value).map(([key, inner]) => [key, plainValue(inner)])) : value;
}

/** JSON text of a value in the order of its keys, every number with its own text. */
export function jsonText(value: unknown): string {
  if (value instanceof Float) return value.text;
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => jsonText(item ?? null)).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const parts = entriesOf(value).filter(([, inner]) => inner !== undefined);
  return `{${parts.map(([key, inner]) => `${JSON.stringify(key)}:${jsonText(inner)}`).join(',')}}`;
}
