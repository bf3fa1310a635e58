/** Values of the template interpreter, and what Python makes of them where the JavaScript library differs. */
import { entriesOf, Float, pythonFloat } from '../../json/index.js';
import { Environment, type Node, type Value } from './library.js';

// The library exports its interpreter but not the classes of its values; an example of each leads to them.
type ValueClass = new (value: unknown) => Value;
const converted = (value: unknown): Value => new Environment().set('value', value);
const classOf = (example: unknown) => converted(example).constructor as ValueClass;
const StringValue = classOf('');
const IntegerValue = classOf(1);
const FloatValue = classOf(0.5);
const ArrayValue = classOf([]);
const ObjectValue = classOf({});
const [YES, NO, UNDEFINED] = [converted(true), converted(false), converted(undefined)];

/** A JavaScript value, or one that a file held (`lib/json`), as the interpreter holds it. */
export function toValue(value: unknown): Value {
  if (typeof value === 'string') return new StringValue(value);
  if (Number.isInteger(value) || typeof value === 'bigint') return new IntegerValue(value);
  if (value instanceof Float) return new FloatValue(value.value);
  if (Array.isArray(value)) return new ArrayValue(value.map(toValue));
  if (value !== null && typeof value === 'object')
    return new ObjectValue(new Map(entriesOf(value).map(([key, one]) => [key, toValue(one)])));
  if (typeof value === 'boolean') return value ? YES : NO;
  return value === undefined ? UNDEFINED : converted(value); // a whole scope is made to convert one value: only where it must be
}

/** An expression whose value is known already. */
export const known = (value: Value): Node => ({ type: 'Known', value });

export const text = (value: string): Value => new StringValue(value);
export const list = (values: Value[]): Value => new ArrayValue(values);
export const flag = (value: boolean): Value => (value ? YES : NO);

export const isText = (value: Value): value is Value & { value: string } => value.type === 'StringValue';
export const isUndefined = (value: Value) => value.type === 'UndefinedValue';
export const isList = (value: Value): value is Value & { value: Value[] } => value instanceof ArrayValue;
export const isMapping = (value: Value): value is Value & { value: Map<string, Value> } => value.type === 'ObjectValue';
const isNumber = ({ type }: Value) => type === 'IntegerValue' || type === 'FloatValue' || type === 'BooleanValue';

/** Python's `str(value)`, which is what a template prints. */
export function str(value: Value): string {
  if (isText(value)) return value.value;
  return isUndefined(value) ? '' : repr(value);
}

/** Python's `repr(value)`. */
function repr(value: Value): string {
  if (isText(value)) return quoted(value.value);
  if (isList(value)) return listed(value);
  if (isMapping(value)) return `{${[...value.value].map(([key, of]) => `${quoted(key)}: ${repr(of)}`).join(', ')}}`;
  if (value.type === 'NullValue') return 'None';
  if (value.type === 'UndefinedValue') return 'Undefined';
  if (value.type === 'BooleanValue') return value.value ? 'True' : 'False';
  return value.type === 'FloatValue' ? pythonFloat(value.value as number) : value.toString();
}

function listed(value: Value & { value: Value[] }): string {
  const items = value.value.map(repr).join(', ');
  if (value.type !== 'TupleValue') return `[${items}]`;
  return value.value.length === 1 ? `(${items},)` : `(${items})`;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quoted(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const escaped = value.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character]!);
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

/** Python's `a == b`: by value, never by conversion (`'' == false` is false, `none == undefined` as well). */
export function equals(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value);
  if (isList(a) && isList(b)) return a.value.length === b.value.length && a.value.every((one, i) => equals(one, (b.value as Value[])[i]!));
  if (isMapping(a) && isMapping(b)) {
    const other = b.value as Map<string, Value>;
    return a.value.size === other.size && [...a.value].every(([key, one]) => other.has(key) && equals(one, other.get(key)!));
  }
  if (a.type !== b.type) return false;
  return a.type === 'NullValue' || a.type === 'UndefinedValue' || a.value === b.value;
}

/** The items that Python's `for` would see; undefined where a value has none. */
export function itemsOf(value: Value): Value[] | undefined {
  if (isList(value)) return value.value;
  if (isText(value)) return [...value.value].map(text);
  if (isMapping(value)) return [...value.value.keys()].map(text);
  return isUndefined(value) ? [] : undefined;
}

/** Name of a value's type in Python, for messages. */
export function typeName({ type }: Value): string {
  const names: Record<string, string> = { StringValue: 'str', IntegerValue: 'int', FloatValue: 'float', BooleanValue: 'bool' };
  Object.assign(names, {
    ArrayValue: 'list',
    TupleValue: 'tuple',
    ObjectValue: 'dict',
    NullValue: 'NoneType',
    UndefinedValue: 'Undefined',
  });
  return names[type] ?? type;
}
