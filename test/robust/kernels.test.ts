/** Random arguments to every kernel: taken, or refused by name; memory stays whole (see `npm run test:sanitize`). */
import { describe, expect, it } from 'vitest';
import { kernelVariants } from '../../lib/kernels/index.js';
import { bend } from './bend.js';
import { argumentsOf, callPublic, kernelNames, nativeName } from './kernel_arguments.js';
import type { Random } from './random.js';
import { inputs, PATIENCE, trial } from './trial.js';

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
