/**
 * Python's values as templates see them. `null` is None; `boolean`, `string` and arrays (lists) are JavaScript's own; whole numbers are
 * `number` or, beyond 2^53, `bigint`; floats are always `Float`, so that 1.0 is told from 1.
 */
import { entriesOf, Float } from '../../json/index.js';

/** A fault of a template, in words for the user. */
export class TemplateFault extends Error {}

export class Undefined {
  constructor(readonly name: string) {}
}

/** A value that is there (None is one), else what comes in its place. */
export const present = (value: Value | undefined, otherwise: Value): Value => (value === undefined ? otherwise : value);

export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A dict. Keys that Python holds equal (1, 1.0, True) are one. */
export class Dict {
  readonly #entries = new Map<string, [Value, Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  set(key: Value, value: Value): void {
    const hash = hashOf(key);
    this.#entries.set(hash, [this.#entries.has(hash) ? this.#entries.get(hash)![0] : key, value]);
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashOf(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(hashOf(key));
  }

  entries(): [Value, Value][] {
    return [...this.#entries.values()];
  }

  get size(): number {
    return this.#entries.size;
  }
}

/** An object with attributes of its own: namespace, loop, cycler, joiner. */
export class Attributes {
  constructor(
    readonly type: string,
    readonly get: (name: string) => Value | undefined,
    readonly set?: (name: string, value: Value) => void,
    readonly shown: () => string = () => `<${type} object>`,
  ) {}
}

export type Named = Map<string, Value>;

export class Callable {
  constructor(
    readonly name: string,
    readonly call: (args: Value[], named: Named) => Value,
    readonly attributes: Record<string, Value> = {},
  ) {}
}

/** What gives its items once, or again: ranges, views of dicts, results of map and select. */
export class Items {
  #spent = false;
  constructor(
    readonly type: 'range' | 'generator' | 'dict_items' | 'dict_keys' | 'dict_values',
    private readonly values: readonly Value[],
    readonly text: string = '',
  ) {}

  take(): readonly Value[] {
    if (this.#spent) return [];
    this.#spent = this.type === 'generator';
    return this.values;
  }
}

/** Text that is not escaped again. */
export class Markup {
  constructor(readonly text: string) {}
}

export type Value =
  | null
  | boolean
  | string
  | number
  | bigint
  | Float
  | Value[]
  | Undefined
  | Tuple
  | Dict
  | Attributes
  | Callable
  | Items
  | Markup;

export type Whole = number | bigint;

export const isWhole = (value: Value): value is Whole => typeof value === 'number' || typeof value === 'bigint';
export const whole = (value: bigint): Whole => (value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value);
export const textOf = (value: Value): string | undefined =>
  value instanceof Markup ? value.text : typeof value === 'string' ? value : undefined;

/** A number of Python's: bools count as 0 and 1. */
export function numberOf(value: Value): Whole | Float | undefined {
  if (typeof value === 'boolean') return Number(value);
  return isWhole(value) || value instanceof Float ? value : undefined;
}

/** A JavaScript value, or one that a file held (`lib/json`), as templates see it. */
export function toValue(value: unknown): Value {
  if (value === undefined) return new Undefined('a value');
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new Float(value);
  if (Array.isArray(value)) return value.map(toValue);
  if (value === null || typeof value !== 'object' || value instanceof Float) return value as Value;
  return new Dict(entriesOf(value).map(([key, one]) => [key, toValue(one)] as const));
}

function hashOf(key: Value): string {
  const number = numberOf(key);
  if (number !== undefined) return `n${Number(number)}`;
  const text = textOf(key);
  if (text !== undefined) return `s${text}`;
  if (key === null) return 'N';
  if (key instanceof Tuple) return `t${key.items.map(hashOf).join('\0')}`;
  throw new TemplateFault(`unhashable type: '${typeName(key)}'`);
}

export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (isWhole(value)) return 'int';
  if (typeof value === 'string') return 'str';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Float) return 'float';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Dict) return 'dict';
  if (value instanceof Attributes || value instanceof Items) return value.type;
  return value instanceof Callable ? 'function' : value instanceof Markup ? 'Markup' : 'Undefined';
}

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  const number = numberOf(value);
  if (number !== undefined) return Number(number) !== 0;
  const text = textOf(value);
  if (text !== undefined) return text !== '';
  return (
    value instanceof Attributes ||
    value instanceof Callable ||
    (value instanceof Items && value.type === 'generator') ||
    lengthOf(value) > 0
  );
}

/** Python's `len`. */
export function lengthOf(value: Value): number {
  const text = textOf(value);
  if (text !== undefined) return pointsOf(text).length;
  if (value instanceof Dict) return value.size;
  if (value instanceof Undefined) return 0;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Items && value.type !== 'generator') return value.take().length;
  throw new TemplateFault(`object of type '${typeName(value)}' has no len()`);
}

/** Characters as Python counts them. */
export const pointsOf = (text: string): ArrayLike<string> => (/[\ud800-\udfff]/.test(text) ? [...text] : text);

/** What a `for` would see. @throws TemplateFault for what has no items */
export function itemsOf(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  const text = textOf(value);
  if (text !== undefined) return [...text];
  if (value instanceof Dict) return value.entries().map(([key]) => key);
  if (value instanceof Items) return value.take();
  if (value instanceof Undefined) return [];
  throw new TemplateFault(`'${typeName(value)}' object is not iterable`);
}

export function hasItems(value: Value): boolean {
  return Array.isArray(value) || textOf(value) !== undefined || [Tuple, Dict, Items, Undefined].some((one) => value instanceof one);
}

/** Python's `str`, which is what a template prints. */
export function str(value: Value): string {
  if (value instanceof Undefined) return '';
  return textOf(value) ?? repr(value);
}

/** Python's `repr`. */
export function repr(value: Value): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (isWhole(value)) return String(value);
  if (typeof value === 'string') return quoted(value);
  if (value instanceof Float) return value.python();
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  if (value instanceof Tuple) return value.items.length === 1 ? `(${repr(value.items[0]!)},)` : `(${value.items.map(repr).join(', ')})`;
  if (value instanceof Dict)
    return `{${value
      .entries()
      .map(([key, one]) => `${repr(key)}: ${repr(one)}`)
      .join(', ')}}`;
  if (value instanceof Markup) return `Markup(${quoted(value.text)})`;
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Attributes) return value.shown();
  if (value instanceof Items && value.type === 'range') return value.text;
  if (value instanceof Items && value.type !== 'generator') return `${value.type}(${repr([...value.take()])})`;
  throw new TemplateFault(`a ${typeName(value)} is printed, which shows an address of memory; use | list, or call it`);
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0');

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\n\r\t]|[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (one) => {
    const code = one.codePointAt(0)!;
    return ESCAPES[one] ?? (code < 256 ? `\\x${hex(code, 2)}` : code < 65536 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`);
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

/** Python's `==`. */
export function equals(a: Value, b: Value): boolean {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined)
    return x instanceof Float || y instanceof Float ? Number(x) === Number(y) : BigInt(x) === BigInt(y);
  const [s, t] = [textOf(a), textOf(b)];
  if (s !== undefined || t !== undefined) return s === t;
  if (Array.isArray(a) && Array.isArray(b)) return sameItems(a, b);
  if (a instanceof Tuple && b instanceof Tuple) return sameItems(a.items, b.items);
  if (a instanceof Dict && b instanceof Dict)
    return a.size === b.size && a.entries().every(([key, one]) => b.has(key) && equals(one, b.get(key)!));
  if (a instanceof Items && b instanceof Items && a.type === 'range') return b.type === 'range' && sameItems(a.take(), b.take());
  return a === b || (a instanceof Undefined && b instanceof Undefined);
}

const sameItems = (a: readonly Value[], b: readonly Value[]) => a.length === b.length && a.every((one, i) => equals(one, b[i]!));

/** Python's order of two values: below 0, 0, above 0; NaN where neither holds. */
export function order(a: Value, b: Value, operator = '<'): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) {
    const [n, m] = x instanceof Float || y instanceof Float ? [Number(x), Number(y)] : [BigInt(x), BigInt(y)];
    return n < m ? -1 : n > m ? 1 : n === m ? 0 : Number.NaN;
  }
  const [s, t] = [textOf(a), textOf(b)];
  if (s !== undefined && t !== undefined) return comparePoints(s, t);
  const [list, other] = a instanceof Tuple && b instanceof Tuple ? [a.items, b.items] : Array.isArray(a) && Array.isArray(b) ? [a, b] : [];
  if (!list || !other) throw new TemplateFault(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
  for (let i = 0; i < Math.min(list.length, other.length); i++)
    if (!equals(list[i]!, other[i]!)) return order(list[i]!, other[i]!, operator);
  return list.length - other.length;
}

const comparePoints = (a: string, b: string) => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** Strings larger than this are no chat: what would make one is refused before it is made. */
export const MOST_TEXT = 1 << 26;

export function bounded(size: number): void {
  if (!(size <= MOST_TEXT)) throw new TemplateFault(`a text of more than ${MOST_TEXT} characters would be made`);
}
