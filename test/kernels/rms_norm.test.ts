import { describe, expect, it } from 'vitest';
import { kernelVariants, rmsNorm, rmsNormBackward } from '../../lib/kernels/index.js';
import { compare, compareStored, numbers, roundBf16 } from './harness.js';

const EPS = 1e-5;
type Shape = { M: number; groups: number; count: number };

/** In double: y, and the gradients of sum(dy y) + sum(through x). */
function plain({ M, groups, count }: Shape, x: ArrayLike<number>, w: ArrayLike<number>) {
  const y = new Float64Array(M * groups * count);
  for (let row = 0; row < M * groups; row++) {
    let square = 0;
    for (let k = 0; k < count; k++) square += x[row * count + k]! ** 2;
    const r = 1 / Math.sqrt(square / count + EPS);
    for (let k = 0; k < count; k++) y[row * count + k] = w[k]! * x[row * count + k]! * r;
  }
  return y;
}
function plainBackward({ M, groups, count }: Shape, x: Float32Array, w: Float32Array, dy: Float32Array, through: Float32Array) {
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(count);
  for (let row = 0; row < M * groups; row++) {
    const at = row * count;
    let square = 0;
    let dot = 0;
    for (let k = 0; k < count; k++) square += x[at + k]! ** 2;
    const r = 1 / Math.sqrt(square / count + EPS);
    for (let k = 0; k < count; k++) dot += w[k]! * dy[at + k]! * x[at + k]!;
    for (let k = 0; k < count; k++) {
      dx[at + k] = through[at + k]! + r * w[k]! * dy[at + k]! - (r ** 3 * dot * x[at + k]!) / count;
      dw[k]! += dy[at + k]! * x[at + k]! * r;
    }
  }
  return { dx, dw };
}
function data({ M, groups, count }: Shape, dtype: 'f32' | 'bf16') {
  const n = M * groups * count;
  const all = [1, 2, 3].map((seed) => (dtype === 'bf16' ? roundBf16(numbers(n, seed)) : numbers(n, seed)));
  return { x: all[0]!, dy: all[1]!, through: all[2]!, weight: numbers(count, 4), groups, eps: EPS, dtype };
}

/** Size of the two terms of dx, which cancel in short rows. */
const steepest = (inverse: Float32Array) => inverse.reduce((most, r) => Math.max(most, r), 0);

const SHAPES: Shape[] = [
  { M: 0, groups: 1, count: 7 },
  { M: 1, groups: 1, count: 1 },
  { M: 3, groups: 1, count: 31 },
  { M: 31, groups: 1, count: 32 },
  { M: 32, groups: 2, count: 33 },
  { M: 33, groups: 3, count: 20 },
  { M: 70, groups: 1, count: 576 },
];

describe.each(kernelVariants('rms_norm'))('rms_norm %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    it.each(SHAPES)('agrees with double arithmetic: M $M, $groups groups of $count', (shape) => {
      const args = data(shape, dtype);
      const { y, inverse } = rmsNorm(args, { variant });
      compareStored(dtype, y, plain(shape, args.x, args.weight), 1e-6, 'y');
      const expected = plainBackward(shape, args.x, args.weight, args.dy, args.through);
      const got = rmsNormBackward({ ...args, inverse }, { variant });
      compareStored(dtype, got.dx, expected.dx, 1e-6, 'dx', steepest(inverse));
      compare(got.dweight, expected.dw, 2e-6, 'dweight');
      const alone = rmsNormBackward({ ...args, through: undefined, inverse }, { variant }).dx;
      const none = plainBackward(shape, args.x, args.weight, args.dy, new Float32Array(args.x.length));
      compareStored(dtype, alone, none.dx, 1e-6, 'dx without through', steepest(inverse));
    });
    it('gives the same bits for any number of threads, and for a row alone', () => {
      const shape = { M: 70, groups: 1, count: 100 };
      const args = data(shape, dtype);
      const one = rmsNorm(args, { variant, threads: 1 });
      expect(rmsNorm(args, { variant, threads: 2 })).toEqual(one);
      const back = rmsNormBackward({ ...args, inverse: one.inverse }, { variant, threads: 1 });
      expect(rmsNormBackward({ ...args, inverse: one.inverse }, { variant, threads: 2 })).toEqual(back);
      const row = (v: Float32Array) => v.slice(1 * 100, 2 * 100);
      const alone = { ...args, x: row(args.x), dy: row(args.dy), through: row(args.through) };
      expect(rmsNorm(alone, { variant }).y).toEqual(row(one.y));
      expect(rmsNormBackward({ ...alone, inverse: one.inverse.slice(1, 2) }, { variant }).dx).toEqual(row(back.dx));
    });
    it('shows a NaN in its row and in no other', () => {
      const args = data({ M: 5, groups: 1, count: 40 }, dtype);
      args.x[50] = Number.NaN;
      const { y, inverse } = rmsNorm(args, { variant });
      const { dx } = rmsNormBackward({ ...args, inverse }, { variant });
      for (const out of [y, dx]) expect(Array.from(out, Number.isNaN)).toEqual(Array.from(out, (_, i) => i >= 40 && i < 80));
    });
  });
});

it('is the gradient that finite differences give', () => {
  const shape = { M: 2, groups: 2, count: 5 };
  const { x, dy, weight, through } = data(shape, 'f32');
  const loss = (at: Float64Array, w: ArrayLike<number>) =>
    plain(shape, at, w).reduce((s, y, i) => s + y * dy[i]! + at[i]! * through[i]!, 0);
  const { dx, dw } = plainBackward(shape, x, weight, dy, through);
  const slope = (f: (v: Float64Array) => number, v: Float32Array, i: number) => {
    const [up, down] = [Float64Array.from(v), Float64Array.from(v)];
    up[i]! += 1e-5;
    down[i]! -= 1e-5;
    return (f(up) - f(down)) / 2e-5;
  };
  compare(
    dx,
    Array.from(x, (_, i) => slope((v) => loss(v, weight), x, i)),
    1e-8,
    'dx',
  );
  compare(
    dw,
    Array.from(weight, (_, i) => slope((w) => loss(Float64Array.from(x), w), weight, i)),
    1e-8,
    'dweight',
  );
});

it('names the argument of a wrong length', () => {
  const weight = new Float32Array(4);
  expect(() => rmsNorm({ x: new Float32Array(9), weight })).toThrow('[rms_norm] x: expected rows of 4, got Float32Array of 9');
  expect(() => rmsNormBackward({ x: new Float32Array(8), weight, inverse: new Float32Array(2), dy: new Float32Array(4) })).toThrow(
    '[rms_norm_backward] dy: expected a Float32Array of 8, got Float32Array of 4',
  );
  expect(() => rmsNorm({ x: new Float32Array(0), weight: new Float32Array(0) })).toThrow('[rms_norm] weight: expected at least one number');
});
