import { expect, it } from 'vitest';
import { gradientNorm } from '../../lib/kernels/index.js';
import { numbers } from './harness.js';

it.each([0, 1, 7, 8, 9, 4096, 4097, 10_000])('sums squares of %i numbers in double', (n) => {
  const gradient = numbers(n, 5);
  const expected = gradient.reduce((sum, x) => sum + x * x, 0);
  const got = gradientNorm({ gradient }).sumOfSquares;
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(1e-12 * expected);
});
it('shows a number that is not finite', () => {
  expect(gradientNorm({ gradient: Float32Array.of(1, Number.NaN) }).sumOfSquares).toBeNaN();
});
