import { describe, expect, it } from 'vitest';
import { kernelVariants, layerNorm, layerNormBackward } from '../../lib/kernels/index.js';
import { compare, compareStored, type DType, numbers, roundBf16 } from './harness.js';

const EPS = 1e-5;
type Numbers = ArrayLike<number>;

function plain(count: number, x: Numbers, w: Numbers, b: Numbers) {
  const y = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += count) {
    const row = Array.from({ length: count }, (_, k) => x[at + k]!);
    const mean = row.reduce((s, v) => s + v, 0) / count;
    const r = 1 / Math.sqrt(row.reduce((s, v) => s + (v - mean) ** 2, 0) / count + EPS);
    for (let k = 0; k < count; k++) y[at + k] = w[k]! * (row[k]! - mean) * r + b[k]!;
  }
  return y;
}
function plainBackward(count: number, x: Numbers, w: Numbers, dy: Numbers, through: Numbers) {
  const [dx, dw, db] = [new Float64Array(x.length), new Float64Array(count), new Float64Array(count)];
  let steepest = 0;
  for (let at = 0; at < x.length; at += count) {
    const row = Array.from({ length: count }, (_, k) => x[at + k]!);
    const mean = row.reduce((s, v) => s + v, 0) / count;
    const r = 1 / Math.sqrt(row.reduce((s, v) => s + (v - mean) ** 2, 0) / count + EPS);
    steepest = Math.max(steepest, r);
    const d = row.map((_, k) => w[k]! * dy[at + k]!);
    const hat = row.map((v) => (v - mean) * r);
    const level = d.reduce((s, v) => s + v, 0) / count;
    const along = d.reduce((s, v, k) => s + v * hat[k]!, 0) / count;
    for (let k = 0; k < count; k++) {
      dx[at + k] = through[at + k]! + r * (d[k]! - level - hat[k]! * along);
      dw[k]! += dy[at + k]! * hat[k]!;
      db[k]! += dy[at + k]!;
    }
  }
  return { dx, dw, db, steepest };
}
function data(M: number, count: number, dtype: DType) {
  const n = M * count;
  const [x, dy, through] = [1, 2, 3].map((seed) => (dtype === 'bf16' ? roundBf16(numbers(n, seed)) : numbers(n, seed)));
  return { x: x!, dy: dy!, through: through!, weight: numbers(count, 4), bias: numbers(count, 5), eps: EPS, dtype };
}

describe.each(kernelVariants('layer_norm'))('layer_norm %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    it.each([
      [0, 7],
      [1, 1],
      [3, 31],
      [31, 32],
      [33, 33],
      [66, 384],
    ])('agrees with double arithmetic: %i x %i', (M, count) => {
      const { dy, through, ...args } = data(M, count, dtype);
      const { y, ...stats } = layerNorm(args, { variant });
      compareStored(dtype, y, plain(count, args.x, args.weight, args.bias), 1.5e-6, 'y');
      const bare = layerNorm({ ...args, bias: undefined }, { variant }).y;
      compareStored(dtype, bare, plain(count, args.x, args.weight, new Float32Array(count)), 1.5e-6, 'y without bias');
      const expected = plainBackward(count, args.x, args.weight, dy, through);
      const got = layerNormBackward({ ...args, ...stats, dy, through }, { variant });
      compareStored(dtype, got.dx, expected.dx, 1.5e-6, 'dx', expected.steepest);
      compare(got.dweight, expected.dw, 2e-6, 'dweight', 0.1);
      compare(got.dbias, expected.db, 2e-6, 'dbias');
      const alone = plainBackward(count, args.x, args.weight, dy, new Float32Array(dy.length));
      const without = layerNormBackward({ ...args, ...stats, dy }, { variant }).dx;
      compareStored(dtype, without, alone.dx, 1.5e-6, 'dx without through', expected.steepest);
    });
    it('does not lose the variance beside a large mean', () => {
      const x = Float32Array.from(numbers(100, 1), (v) => 1024 + 8 * Math.round(v * 4));
      const weight = numbers(100, 2);
      const { y } = layerNorm({ x, weight, eps: EPS, dtype }, { variant });
      compareStored(dtype, y, plain(100, x, weight, new Float32Array(100)), 1e-5, 'y');
    });
    it('gives the same bits for any number of threads, and for a row alone', () => {
      const { dy, through, ...args } = data(70, 100, dtype);
      const { y, ...stats } = layerNorm(args, { variant, threads: 1 });
      expect(layerNorm(args, { variant, threads: 2 })).toEqual({ y, ...stats });
      const back = layerNormBackward({ ...args, ...stats, dy, through }, { variant, threads: 1 });
      expect(layerNormBackward({ ...args, ...stats, dy, through }, { variant, threads: 2 })).toEqual(back);
      const row = (v: Float32Array) => v.slice(100, 200);
      const alone = { ...args, x: row(args.x) };
      const one = { mean: stats.mean.slice(1, 2), inverse: stats.inverse.slice(1, 2), dy: row(dy), through: row(through) };
      expect(layerNorm(alone, { variant }).y).toEqual(row(y));
      expect(layerNormBackward({ ...alone, ...one }, { variant }).dx).toEqual(row(back.dx));
    });
    it('shows a NaN in its row and in no other', () => {
      const { dy, through, ...args } = data(5, 40, dtype);
      args.x[50] = Number.NaN;
      const { y, ...stats } = layerNorm(args, { variant });
      const { dx } = layerNormBackward({ ...args, ...stats, dy, through }, { variant });
      for (const out of [y, dx]) expect(Array.from(out, Number.isNaN)).toEqual(Array.from(out, (_, i) => i >= 40 && i < 80));
    });
  });
});

it('is the gradient that finite differences give', () => {
  const { x, dy, weight, bias, through } = data(2, 6, 'f32');
  const loss = (at: Numbers, w: Numbers, b: Numbers) => plain(6, at, w, b).reduce((s, y, i) => s + y * dy[i]! + at[i]! * through[i]!, 0);
  const slope = (f: (v: Float64Array) => number, v: Float32Array) =>
    Array.from(v, (_, i) => {
      const [up, down] = [Float64Array.from(v), Float64Array.from(v)];
      up[i]! += 1e-5;
      down[i]! -= 1e-5;
      return (f(up) - f(down)) / 2e-5;
    });
  const { dx, dw, db } = plainBackward(6, x, weight, dy, through);
  const slopeOfX = slope((v) => loss(v, weight, bias), x);
  compare(dx, slopeOfX, 1e-8, 'dx');
  const slopeOfWeight = slope((v) => loss(x, v, bias), weight);
  compare(dw, slopeOfWeight, 1e-8, 'dweight');
  const slopeOfBias = slope((v) => loss(x, weight, v), bias);
  compare(db, slopeOfBias, 1e-8, 'dbias');
});

it('names the argument of a wrong length', () => {
  const weight = new Float32Array(4);
  expect(() => layerNorm({ x: new Float32Array(9), weight })).toThrow('[layer_norm] x: expected rows of 4, got Float32Array of 9');
  expect(() => layerNorm({ x: new Float32Array(8), weight, bias: new Float32Array(3) })).toThrow(
    '[layer_norm] bias: expected a Float32Array of 4, got Float32Array of 3',
  );
});
