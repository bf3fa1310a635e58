/** Bends arguments of native calls: other numbers, other lengths, other memory, other types. */
import type { Arguments } from './kernel_arguments.js';
import { ODD } from './mutate.js';
import { floats, ids, type Random } from './random.js';
import { beyond, gone, isView, resizable, shared, shifted, type View, whole } from './views.js';

const HUGE = [2 ** 20, 2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, -(2 ** 31), 4096, 8160, 1024, 0, -1, 1e308];

function otherView(view: View, r: Random): unknown {
  const bits = new Int32Array(view.length).map(() => r.pick([-1, 2 ** 31 - 1, -(2 ** 31), 1e9, view.length]));
  return r.pick([
    () => view.slice(0, r.below(view.length + 1)),
    () => (view instanceof Int32Array ? ids(view.length + 9, 3, r) : floats(view.length + 9, r)),
    () => r.pick([gone, beyond, shared, shifted, resizable])(view),
    () => (view instanceof Int32Array ? bits : view.map((x) => (r.chance(0.3) ? Number.NaN : x))),
    () => r.pick([Float64Array.from(view), Array.from(view), new Uint8Array(view.length), new DataView(new ArrayBuffer(8))]),
  ])();
}

/** One argument that is not what it was. */
export function other(value: unknown, r: Random): unknown {
  if (isView(value)) return whole(value) ? otherView(value, r) : new Float32Array(r.below(9));
  if (typeof value === 'number') return r.pick([...HUGE, value + 1, value - 1, -value, value * 2, value + 0.5, '1', null]);
  return r.pick(ODD);
}

/** Changes none to two of the arguments, and now and then has two of them share their memory. */
export function bend(args: Arguments, r: Random): void {
  const changes = r.chance(0.25) ? 0 : 1 + r.below(2);
  for (let k = 0; k < changes; k++) {
    const key = r.pick(Object.keys(args));
    const one = key === 'targets' && Array.isArray(args.targets) ? r.pick<Arguments | null>(args.targets) : undefined;
    const target = one !== null && typeof one === 'object' && Object.keys(one).length > 0 ? one : args;
    const place = target === args ? key : r.pick(Object.keys(target));
    target[place] = other(target[place], r);
  }
  const views = Object.keys(args).filter((key) => isView(args[key]));
  if (views.length > 1 && r.chance(0.03)) args[views[0]!] = args[views[1]!];
}
