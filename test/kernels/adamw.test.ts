import { describe, expect, it } from 'vitest';
import { adamw, kernelVariants } from '../../lib/kernels/index.js';
import { compare, numbers } from './harness.js';

describe.each(kernelVariants('adamw'))('adamw %s', (variant) => {
  it.each([0, 1, 15, 16, 17, 33, 1000])('agrees with plain double arithmetic on %i numbers', (n) => {
    const [weights, gradient, first, second] = [numbers(n, 1), numbers(n, 2), numbers(n, 3, 0.1), numbers(n, 4, 0.1).map((x) => x * x)];
    const got = adamw({ weights, gradient, first, second, rate: 0.01, decay: 0.1, scale: 0.5, t: 3 }, { variant });
    const expected = Array.from(weights, (w, i) => {
      const g = (gradient[i] ?? 0) * 0.5;
      const m = 0.9 * (first[i] ?? 0) + 0.1 * g;
      const v = 0.999 * (second[i] ?? 0) + 0.001 * g * g;
      return w * (1 - 0.001) - (0.01 * (m / (1 - 0.9 ** 3))) / (Math.sqrt(v / (1 - 0.999 ** 3)) + 1e-8);
    });
    compare(got.weights, expected, 1e-6);
  });
  it('names the argument of a wrong length', () => {
    const one = new Float32Array(1);
    expect(() => adamw({ weights: one, gradient: new Float32Array(2), first: one, second: one, rate: 1, t: 1 })).toThrow(
      '[adamw] gradient: expected a Float32Array of 1, got Float32Array of 2',
    );
  });
});
