/** Random arguments to every kernel: taken, or refused by name; memory stays whole (see `npm run test:sanitize`). */
import { describe, expect, it } from 'vitest';
import { kernelVariants } from '../../lib/kernels/index.js';
import { type Arguments, argumentsOf, callPublic, kernelNames, nativeName } from './kernel_arguments.js';
import { ODD } from './mutate.js';
import { floats, ids, type Random } from './random.js';
import { inputs, PATIENCE, trial } from './trial.js';
import { beyond, gone, isView, resizable, shared, shifted, type View } from './views.js';

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
function other(value: unknown, r: Random): unknown {
  if (isView(value)) return value.length === 0 ? new Float32Array(r.below(9)) : otherView(value, r);
  if (typeof value === 'number') return r.pick([...HUGE, value + 1, value - 1, -value, value * 2, value + 0.5, '1', null]);
  return r.pick(ODD);
}

function bend(args: Arguments, r: Random): void {
  const changes = r.chance(0.25) ? 0 : 1 + r.below(2);
  for (let k = 0; k < changes; k++) {
    const key = r.pick(Object.keys(args));
    const target = Array.isArray(args.targets) && key === 'targets' ? (r.pick(args.targets) as Arguments) : args;
    const place = target === args ? key : r.pick(Object.keys(target));
    target[place] = other(target[place], r);
  }
  const views = Object.keys(args).filter((key) => isView(args[key]));
  if (views.length > 1 && r.chance(0.03)) args[views[0]!] = args[views[1]!];
}

function options(name: string, r: Random): unknown {
  if (r.chance(0.1)) return r.pick([null, 5, { variant: 'x' }, { threads: 0 }, { threads: 1.5 }, { threads: 64 }, { variant: null }]);
  return { variant: r.pick([undefined, ...kernelVariants(nativeName(name))]), threads: r.pick([undefined, 1, 2, 3]) };
}

describe('random arguments', () => {
  it.each(kernelNames)('%s takes or refuses them', { timeout: PATIENCE }, async (name) => {
    const count = inputs(60);
    const { accepted, refused } = await trial(name, count, (r, index) => {
      const args = argumentsOf(name, 7, index);
      bend(args, r);
      const chosen = options(name, r);
      return () => callPublic(name, args, chosen);
    });
    if (count < 60) return;
    expect(accepted).toBeGreaterThan(count / 10);
    expect(refused.kernel_arguments).toBeGreaterThan(0);
  });
});
