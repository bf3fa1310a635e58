/** Jinja2's tests: `value is name(…)`. */
import { Float } from '../../json/index.js';
import { binary, compares, contains } from './operators.js';
import {
  Attributes,
  Callable,
  Dict,
  equals,
  hasItems,
  Items,
  isWhole,
  Markup,
  numberOf,
  str,
  TemplateFault,
  textOf,
  Undefined,
  type Value,
} from './values.js';

type Test = (value: Value, args: readonly Value[]) => boolean;

const comparing =
  (operator: string): Test =>
  (value, args) => {
    if (args.length !== 1) throw new TemplateFault(`the test '${operator}' takes one argument`);
    return compares(operator, value, args[0]!);
  };

/** A name is given, so that a test says which filters and tests there are. */
export const TESTS: Record<string, Test> = {
  boolean: (value) => typeof value === 'boolean',
  callable: (value) => value instanceof Callable,
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  divisibleby: (value, [by = null]) => equals(binary('%', value, by), 0),
  escaped: (value) => value instanceof Markup,
  even: (value) => equals(binary('%', value, 2), 0),
  odd: (value) => equals(binary('%', value, 2), 1),
  true: (value) => value === true,
  false: (value) => value === false,
  float: (value) => value instanceof Float,
  integer: (value) => isWhole(value),
  number: (value) => numberOf(value) !== undefined,
  in: (value, [container = null]) => contains(container, value),
  iterable: (value) => hasItems(value) || (value instanceof Attributes && value.type === 'LoopContext'),
  lower: (value) => /\p{Cased}/u.test(str(value)) && str(value) === str(value).toLowerCase(),
  upper: (value) => /\p{Cased}/u.test(str(value)) && str(value) === str(value).toUpperCase(),
  mapping: (value) => value instanceof Dict,
  none: (value) => value === null,
  sameas: (value, [other = null]) => same(value, other),
  sequence: (value) => hasItems(value) && !(value instanceof Items && value.type !== 'range'),
  string: (value) => textOf(value) !== undefined,
  eq: comparing('=='),
  equalto: comparing('=='),
  '==': comparing('=='),
  ne: comparing('!='),
  '!=': comparing('!='),
  lt: comparing('<'),
  lessthan: comparing('<'),
  '<': comparing('<'),
  le: comparing('<='),
  '<=': comparing('<='),
  gt: comparing('>'),
  greaterthan: comparing('>'),
  '>': comparing('>'),
  ge: comparing('>='),
  '>=': comparing('>='),
};

function same(a: Value, b: Value): boolean {
  if (typeof a === 'string' || isWhole(a) || a instanceof Float)
    throw new TemplateFault('sameas of strings and numbers depends on how Python keeps them; use ==');
  return a === b;
}
