import { describe, expect, it } from 'vitest';
import { score } from '../../lib/kernels/index.js';
import { compare, numbers, roundBf16 } from './harness.js';

describe.each(['f32', 'bf16'] as const)('score %s', (dtype) => {
  const stored = (v: Float32Array) => (dtype === 'f32' ? v : roundBf16(v));
  it.each([
    [0, 5],
    [1, 1],
    [3, 31],
    [33, 64],
    [5, 100],
  ])('of %i rows of %i numbers', (S, H) => {
    const [x, weight, gradient] = [stored(numbers(S * H, 1)), numbers(H, 2), numbers(S, 3)];
    const got = score({ x, weight, gradient, dtype });
    const row = (s: number) => Array.from(weight, (w, k) => [w, x[s * H + k] ?? 0] as const);
    const expected = Array.from({ length: S }, (_, s) => row(s).reduce((sum, [w, v]) => sum + w * v, 0));
    compare(got.score, expected, 1e-5);
    compare(
      got.dx!,
      Array.from({ length: S * H }, (_, i) => (gradient[Math.floor(i / H)] ?? 0) * (weight[i % H] ?? 0)),
      dtype === 'f32' ? 1e-6 : 4e-2,
    );
    compare(
      got.dweight!,
      Array.from(weight, (_, k) => Array.from(gradient).reduce((sum, g, s) => sum + g * (x[s * H + k] ?? 0), 0)),
      1e-5,
    );
  });
});

it('lets a NaN through, and names rows of a wrong length', () => {
  expect(score({ x: Float32Array.of(Number.NaN, 1), weight: Float32Array.of(1, 1) }).score[0]).toBeNaN();
  expect(() => score({ x: new Float32Array(3), weight: new Float32Array(2) })).toThrow(
    '[score] x: expected rows of 2, got Float32Array of 3',
  );
});
