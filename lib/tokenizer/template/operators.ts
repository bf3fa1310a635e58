/** Python's operators on the values of templates. */
import { Float } from '../../json/index.js';
import { percent } from './format.js';
import {
  bounded,
  Dict,
  equals,
  itemsOf,
  Markup,
  numberOf,
  order,
  pointsOf,
  str,
  TemplateFault,
  Tuple,
  textOf,
  typeName,
  Undefined,
  type Value,
  type Whole,
  whole,
} from './values.js';

const ZERO = 'division by zero';

function arithmetic(operator: string, a: Whole, b: Whole): Value {
  const [x, y] = [BigInt(a), BigInt(b)];
  if (operator === '+') return whole(x + y);
  if (operator === '-') return whole(x - y);
  if (operator === '*') return whole(x * y);
  if (operator === '**') return power(x, y);
  if (y === 0n) throw new TemplateFault(operator === '/' ? ZERO : 'integer division or modulo by zero');
  if (operator === '/') return new Float(Number(a) / Number(b));
  const rest = x % y;
  const off = rest !== 0n && rest < 0n !== y < 0n; // Python rounds down, JavaScript to zero
  return whole(operator === '%' ? (off ? rest + y : rest) : x / y - (off ? 1n : 0n));
}

function power(x: bigint, y: bigint): Value {
  if (y < 0n) return new Float(Number(x) ** Number(y));
  if (y > 10_000n) throw new TemplateFault('a power beyond 10000');
  const result = x ** y;
  if (result.toString(16).length > 4000) throw new TemplateFault('a number of more than 4000 digits');
  return whole(result);
}

function floating(operator: string, a: number, b: number): Value {
  if (operator === '+') return new Float(a + b);
  if (operator === '-') return new Float(a - b);
  if (operator === '*') return new Float(a * b);
  if (operator === '**') return new Float(a ** b);
  if (b === 0) throw new TemplateFault(`float ${ZERO}`);
  if (operator === '/') return new Float(a / b);
  const rest = a - b * Math.floor(a / b);
  return new Float(operator === '//' ? Math.floor(a / b) : a % b === 0 ? 0 * b : rest);
}

export function binary(operator: string, left: Value, right: Value): Value {
  if (operator === '~') return joined(left, right);
  for (const one of [left, right]) if (one instanceof Undefined) throw new TemplateFault(`'${one.name}' is undefined`);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined)
    return a instanceof Float || b instanceof Float ? floating(operator, Number(a), Number(b)) : arithmetic(operator, a, b);
  const found = sequences(operator, left, right);
  if (found !== undefined) return found;
  throw new TemplateFault(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`);
}

function joined(left: Value, right: Value): Value {
  const [a, b] = [str(left), str(right)];
  bounded(a.length + b.length);
  return left instanceof Markup || right instanceof Markup ? new Markup(a + b) : a + b;
}

function sequences(operator: string, left: Value, right: Value): Value | undefined {
  const [a, b] = [textOf(left), textOf(right)];
  if (operator === '%' && a !== undefined) return percent(a, right);
  if (operator === '+') {
    if (a !== undefined && b !== undefined) return joined(left, right);
    if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  }
  if (operator !== '*') return undefined;
  const [what, times] = numberOf(right) !== undefined ? [left, numberOf(right)] : [right, numberOf(left)];
  if (times === undefined || times instanceof Float) return undefined;
  return repeated(what, Math.max(Number(times), 0));
}

function repeated(value: Value, times: number): Value | undefined {
  const text = textOf(value);
  if (text !== undefined) {
    bounded(text.length * times);
    return text.repeat(times);
  }
  const items = Array.isArray(value) ? value : value instanceof Tuple ? value.items : undefined;
  if (!items) return undefined;
  bounded(items.length * times);
  const all = Array.from({ length: times }, () => items).flat() as Value[];
  return Array.isArray(value) ? all : new Tuple(all);
}

export function unary(operator: string, value: Value): Value {
  const number = numberOf(value);
  if (value instanceof Undefined) throw new TemplateFault(`'${value.name}' is undefined`);
  if (number === undefined) throw new TemplateFault(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  if (operator === '+') return number;
  return number instanceof Float ? new Float(-number.value) : whole(-BigInt(number));
}

export function contains(container: Value, value: Value): boolean {
  const text = textOf(container);
  if (text !== undefined) {
    const part = textOf(value);
    if (part === undefined) throw new TemplateFault(`'in <string>' requires string as left operand, not ${typeName(value)}`);
    return text.includes(part);
  }
  if (container instanceof Dict) return container.has(value);
  return itemsOf(container).some((one) => equals(one, value));
}

export function compares(operator: string, left: Value, right: Value): boolean {
  if (operator === '==') return equals(left, right);
  if (operator === '!=') return !equals(left, right);
  if (operator === 'in') return contains(right, left);
  if (operator === 'not in') return !contains(right, left);
  for (const one of [left, right]) if (one instanceof Undefined) throw new TemplateFault(`'${one.name}' is undefined`);
  const difference = order(left, right, operator);
  return { '<': difference < 0, '<=': difference <= 0, '>': difference > 0, '>=': difference >= 0 }[operator] === true;
}

/** `value[start:stop:step]`. */
export function sliced(value: Value, bounds: readonly Value[]): Value {
  const [from = null, to = null, by = null] = bounds;
  const place = (one: Value) => (one === null ? undefined : wholeOf(one));
  const step = place(by) ?? 1;
  if (step === 0) throw new TemplateFault('slice step cannot be zero');
  const text = textOf(value);
  const items: ArrayLike<Value> = text !== undefined ? pointsOf(text) : sliceable(value);
  const chosen: Value[] = [];
  const size = items.length;
  const at = (place: number | undefined, otherwise: number) => {
    if (place === undefined) return otherwise;
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    return Math.min(Math.max(place < 0 ? place + size : place, low), high);
  };
  const [start, end] = step > 0 ? [at(place(from), 0), at(place(to), size)] : [at(place(from), size - 1), at(place(to), -1)];
  for (let i = start; step > 0 ? i < end : i > end; i += step) chosen.push(items[i]!);
  if (text !== undefined) return chosen.join('');
  return value instanceof Tuple ? new Tuple(chosen) : chosen;
}

function sliceable(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Undefined) throw new TemplateFault(`'${value.name}' is undefined`);
  throw new TemplateFault(`'${typeName(value)}' object is not subscriptable by a slice`);
}

/** A whole number that Python takes as an index. */
export function wholeOf(value: Value): number {
  const number = numberOf(value);
  if (number === undefined || number instanceof Float)
    throw new TemplateFault(`'${typeName(value)}' object cannot be interpreted as an integer`);
  return Number(number);
}
