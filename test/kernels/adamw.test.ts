import { describe, expect, it } from 'vitest';
import { adamw, kernelVariants } from '../../lib/kernels/index.js';
import { compare, numbers } from './harness.js';

describe.each(kernelVariants('adamw'))('adamw %s', (variant) => {
  it.each([0, 1, 15, 16, 17, 33, 1000])('agrees with plain double arithmetic on %i numbers', (n) => {
    const [weights, gradient, first, second] = [numbers(n, 1), numbers(n, 2), numbers(n, 3, 0.1), numbers(n, 4, 0.1).map((x) => x * x)];
    const got = adamw({ weights, gradient, first, second, rate: 0.01, decay: 0.1, scale: 0.5, t: 3 }, { variant });
    const m = Array.from(gradient, (g, i) => 0.9 * first[i]! + 0.1 * 0.5 * g);
    const v = Array.from(gradient, (g, i) => 0.999 * second[i]! + 0.001 * (0.5 * g) ** 2);
    const expected = Array.from(
      weights,
      (w, i) => w * (1 - 0.001) - (0.01 * (m[i]! / (1 - 0.9 ** 3))) / (Math.sqrt(v[i]! / (1 - 0.999 ** 3)) + 1e-8),
    );
    compare(got.weights, expected, 1e-6);
    // Roundings of fp32 of numbers up to five times the mean one; and 1 - 0.999 in fp32 is 1.3e-5 of itself off 0.001, of squares up to 3.
    compare(got.first, m, 1e-6);
    compare(got.second, v, 1e-6 + (1.3e-5 * 0.001 * 3) / Math.sqrt(v.reduce((sum, x) => sum + x * x, 0) / n || 1));
  });
  it('names the argument of a wrong length', () => {
    const one = new Float32Array(1);
    expect(() => adamw({ weights: one, gradient: new Float32Array(2), first: one, second: one, rate: 1, t: 1 })).toThrow(
      '[adamw] gradient: expected a Float32Array of 1, got Float32Array of 2',
    );
  });
});
