/** What a `for` loop of a template needs: its variables, the name `loop`, and the ways out of it. */
import type { Node, Scope, Value } from './library.js';
import { itemsOf, toValue, typeName } from './values.js';

/** `{% break %}` or `{% continue %}` on its way to its loop, with what was printed before it. */
export class LoopSignal {
  printed = '';
  constructor(readonly breaks: boolean) {}
}

export function signal(breaks: boolean): never {
  throw new LoopSignal(breaks);
}

/** Gives a loop's variable, or its variables, their values. */
export function bind(scope: Scope, variable: Node, value: Value): void {
  if (variable.type === 'Identifier') {
    scope.setVariable(variable.value as string, value);
    return;
  }
  const names = variable.value as { value: string }[];
  const items = itemsOf(value);
  if (items?.length !== names.length) throw new Error(`cannot unpack ${typeName(value)} into ${names.length} names`);
  names.forEach((name, i) => {
    scope.setVariable(name.value, items[i]!);
  });
}

export function loopState(items: readonly Value[], i: number): Value {
  const count = items.length;
  const state = toValue({ index: i + 1, index0: i, revindex: count - i, revindex0: count - i - 1, first: i === 0, last: i === count - 1 });
  const members = state.value as Map<string, Value>;
  members.set('length', toValue(count));
  members.set('previtem', items[i - 1] ?? toValue(undefined));
  members.set('nextitem', items[i + 1] ?? toValue(undefined));
  members.set(
    'cycle',
    functionOf((args) => args[i % args.length]!),
  );
  return state;
}

/** A function on values. */
function functionOf(call: (args: Value[]) => Value): Value {
  const value = toValue(() => undefined);
  (value as { value: unknown }).value = call;
  return value;
}
