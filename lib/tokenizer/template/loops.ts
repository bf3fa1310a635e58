/** The name `loop` inside of a `for`. */
import { Attributes, Callable, equals, present, TemplateFault, Undefined, type Value } from './values.js';

/**
 * @param depth of a recursive loop, from 1
 * @param changed what `loop.changed` was given last
 * @param again goes through the items of a deeper level
 */
export function loopState(
  items: readonly Value[],
  i: number,
  depth: number,
  changed: { last: readonly Value[] | undefined },
  again: Callable,
): Attributes {
  const count = items.length;
  const isChanged = (args: Value[]) => {
    const { last } = changed;
    changed.last = args;
    return last?.length !== args.length || !args.every((one, n) => equals(one, last[n]!));
  };
  const cycle = (args: Value[]) => {
    if (args.length === 0) throw new TemplateFault('no items for cycling given');
    return args[i % args.length]!;
  };
  const members: Record<string, () => Value> = {
    index: () => i + 1,
    index0: () => i,
    revindex: () => count - i,
    revindex0: () => count - i - 1,
    first: () => i === 0,
    last: () => i === count - 1,
    length: () => count,
    depth: () => depth,
    depth0: () => depth - 1,
    previtem: () => present(items[i - 1], new Undefined('there is no previous item')),
    nextitem: () => present(items[i + 1], new Undefined('there is no next item')),
    cycle: () => new Callable('cycle', cycle),
    changed: () => new Callable('changed', isChanged),
    __call__: () => again,
  };
  const get = (name: string) => (Object.hasOwn(members, name) ? members[name]!() : undefined);
  return new Attributes('LoopContext', get, undefined, () => `<LoopContext ${i + 1}/${count}>`);
}
