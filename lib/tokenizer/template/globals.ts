/** Functions that every template has: Jinja2's own, and those that transformers adds. */
import { bind } from './arguments.js';
import { strftime } from './dates.js';
import { wholeOf } from './operators.js';
import { Attributes, Callable, Dict, Items, itemsOf, type Named, repr, str, TemplateFault, type Value } from './values.js';

/** A template that says no to a conversation, by `raise_exception`. */
export class Refusal extends Error {}

/** Jinja2's sandbox makes no longer ones. */
const LONGEST_RANGE = 100_000;

function range(args: Value[]): Value {
  if (args.length < 1 || args.length > 3) throw new TemplateFault(`range expected 1 to 3 arguments, got ${args.length}`);
  const [a, b, c] = args.map(wholeOf);
  const [start, stop, step] = b === undefined ? [0, a!, 1] : [a!, b, c ?? 1];
  if (step === 0) throw new TemplateFault('range() arg 3 must not be zero');
  const count = Math.max(Math.ceil((stop - start) / step), 0);
  if (count > LONGEST_RANGE) throw new TemplateFault(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${LONGEST_RANGE}).`);
  const text = `range(${start}, ${stop}${step === 1 ? '' : `, ${step}`})`;
  return new Items(
    'range',
    Array.from({ length: count }, (_, i) => start + i * step),
    text,
  );
}

/** A dict of another one, or of pairs, and of arguments by name. */
function dictOf([from]: Value[], named: Named): Dict {
  const entries: [Value, Value][] = from === undefined ? [] : from instanceof Dict ? from.entries() : itemsOf(from).map(pair);
  return new Dict([...entries, ...named]);
}

function pair(value: Value): [Value, Value] {
  const [key, one] = itemsOf(value);
  if (key === undefined || one === undefined) throw new TemplateFault('dict() takes pairs');
  return [key, one];
}

function namespace(args: Value[], named: Named): Value {
  const values = new Map(
    dictOf(args, named)
      .entries()
      .map(([key, value]) => [str(key), value]),
  );
  const shown = () => `<Namespace ${repr(new Dict(values))}>`;
  return new Attributes(
    'Namespace',
    (name) => values.get(name),
    (name, value) => void values.set(name, value),
    shown,
  );
}

function cycler(args: Value[]): Value {
  if (args.length === 0) throw new TemplateFault('at least one item has to be provided');
  let at = 0;
  const next = new Callable('next', () => args[at++ % args.length]!);
  const reset = new Callable('reset', () => {
    at = 0;
    return null;
  });
  return new Attributes('Cycler', (name) => ({ next, reset, current: args[at % args.length]! })[name]);
}

function joiner(args: Value[], named: Named): Value {
  const separator = bind('joiner', ['sep'], args, named).value('sep', ', ');
  let used = false;
  return new Callable('joiner', () => {
    const text = used ? separator : '';
    used = true;
    return text;
  });
}

/** @param now the time that `strftime_now` tells */
export function globals(now: Date): [string, Value][] {
  const functions: Record<string, (args: Value[], named: Named) => Value> = {
    range,
    dict: dictOf,
    namespace,
    cycler,
    joiner,
    lipsum: () => {
      throw new TemplateFault('the function lipsum is not supported');
    },
    strftime_now: (args, named) => strftime(now, bind('strftime_now', ['format'], args, named).text('format')),
    raise_exception: (args, named) => {
      throw new Refusal(str(bind('raise_exception', ['message'], args, named).value('message')));
    },
  };
  return Object.entries(functions).map(([name, call]) => [name, new Callable(name, call)]);
}
