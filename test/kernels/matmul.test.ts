import { describe, expect, it } from 'vitest';
import { columnSums, contract, kernelVariants, type MatmulArguments, matmul, matmulPlan } from '../../lib/kernels/index.js';
import { compare, compareStored, type DType, numbers, roundBf16 } from './harness.js';

const given = (dtype: DType, n: number, seed: number, scale = 1) =>
  dtype === 'bf16' ? roundBf16(numbers(n, seed, scale)) : numbers(n, seed, scale);

/** C (M, N) = A (M, K) B (K, N) in double; B by an accessor, so that one loop serves W and W^T. */
function product(m: number, n: number, k: number, a: ArrayLike<number>, b: (k: number, n: number) => number) {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[i * k + l]! * b(l, j);
      c[i * n + j] = sum;
    }
  return c;
}
const forward = (m: number, n: number, k: number, a: ArrayLike<number>, w: ArrayLike<number>) =>
  product(m, n, k, a, (l, j) => w[j * k + l]!);
const transposed = (m: number, n: number, k: number, a: ArrayLike<number>, w: ArrayLike<number>) =>
  product(m, k, n, a, (l, j) => w[l * k + j]!);
const plus = (x: ArrayLike<number>, y: ArrayLike<number>) => Float64Array.from(x, (v, i) => v + y[i]!);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** fp32 sums of k products, each about 1: the rounding errors of a chain grow like sqrt(k) ulp of sqrt(k), relative to the sums' rms 2^-24 sqrt(k). */
const bound = (k: number) => 4 * 2 ** -24 * Math.sqrt(k + 4) + 1e-6;

const SHAPES = [
  { m: 0, n: 5, k: 7 },
  { m: 1, n: 1, k: 1 },
  { m: 1, n: 33, k: 70 },
  { m: 31, n: 32, k: 31 },
  { m: 33, n: 65, k: 33 },
  { m: 39, n: 20, k: 1300 },
  { m: 70, n: 100, k: 96 },
];

describe.each(kernelVariants('matmul'))('matmul %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    const numbersOf = (n: number, seed: number, scale = 1) => given(dtype, n, seed, scale);

    it.each(SHAPES)('forward and transposed agree with double arithmetic: $m x $n x $k', ({ m, n, k }) => {
      const [a, dc, w, bias] = [numbersOf(m * k, 1), numbersOf(m * n, 2), numbersOf(n * k, 3), numbers(n, 4)];
      const c = forward(m, n, k, a, w);
      const base = { m, n, k, w, dtype };
      compareStored(dtype, matmul({ ...base, a }, { variant }).c, c, bound(k), 'c');
      const biased = c.map((x, i) => x + bias[i % n]!);
      compareStored(dtype, matmul({ ...base, a, bias }, { variant }).c, biased, bound(k), 'c with bias');
      const back = transposed(m, n, k, dc, w);
      compareStored(dtype, matmul({ ...base, a: dc, transposed: true }, { variant }).c, back, bound(n), 'transposed');
      compareStored(dtype, matmul({ ...base, a: dc, transposed: true, both: false }, { variant }).c, back, bound(n), 'turned');
      compareStored(dtype, matmul({ ...base, a, finish: 'store_scaled', scale: -0.25 }, { variant }).c, c.map((x) => x * -0.25), bound(k), 'scaled'); // biome-ignore format: one call a line
      compare(matmul({ ...base, a, finish: 'store_float' }, { variant }).c, c, bound(k), 'floats');
      const residual = numbersOf(m * n, 5);
      const added = matmul({ ...base, a, finish: 'add', residual, bias }, { variant }).c;
      compareStored(dtype, added, plus(biased, residual), bound(k), 'added');
    });

    it.each([
      { m: 33, n: 40, k: 70, rank: 1 },
      { m: 20, n: 100, k: 33, rank: 33 },
      { m: 7, n: 32, k: 64, rank: 300 },
    ])('adds the low-rank term: $m x $n x $k, rank $rank', ({ m, n, k, rank }) => {
      const [a, dc, w] = [numbersOf(m * k, 1), numbersOf(m * n, 2), numbersOf(n * k, 3)];
      const [left, b, factor] = [numbersOf(m * rank, 6), numbersOf(n * rank, 7), numbersOf(rank * k, 8)];
      const low = { lowRank: rank, lowLeft: left };
      const c = plus(forward(m, n, k, a, w), forward(m, n, rank, left, b));
      compareStored(dtype, matmul({ m, n, k, a, w, dtype, ...low, lowRight: b }, { variant }).c, c, bound(k + rank), 'c');
      const dx = plus(transposed(m, n, k, dc, w), transposed(m, rank, k, left, factor));
      const got = matmul({ m, n, k, a: dc, w, dtype, transposed: true, ...low, lowRight: factor }, { variant }).c;
      compareStored(dtype, got, dx, bound(n + rank), 'dx');
    });

    it('reads only the low-rank steps in the window', () => {
      const [m, n, k, rank] = [5, 96, 32, 96];
      const [a, w, left, b] = [numbersOf(m * k, 1), numbersOf(n * k, 3), numbersOf(m * rank, 6), numbersOf(n * rank, 7)];
      const window = Int32Array.of(0, 1, 1, 3, 2, 2);
      const masked = b.map((x, i) => {
        const [block, step] = [Math.floor(i / rank / 32), Math.floor((i % rank) / 32)];
        return step >= window[2 * block]! && step < window[2 * block + 1]! ? x : 0;
      });
      const c = plus(forward(m, n, k, a, w), forward(m, n, rank, left, masked));
      const got = matmul({ m, n, k, a, w, dtype, lowRank: rank, lowLeft: left, lowRight: b, window }, { variant });
      compareStored(dtype, got.c, c, bound(k + rank));
    });

    it.each([1, 16, 33])('activates gate and up of inner size %i, and back', (inner) => {
      const [m, k] = [34, 40];
      const [a, w, bias] = [numbersOf(m * k, 1), numbersOf(2 * inner * k, 2, 0.3), numbers(2 * inner, 3)];
      const sums = forward(m, 2 * inner, k, a, w).map((x, i) => x + bias[i % (2 * inner)]!);
      const at = (x: ArrayLike<number>, i: number, up: number) => x[Math.floor(i / inner) * 2 * inner + (i % inner) + up * inner]!;
      const activation = (x: ArrayLike<number>) =>
        Float64Array.from({ length: m * inner }, (_, i) => at(x, i, 0) * sigmoid(at(x, i, 0)) * at(x, i, 1));
      const got = matmul({ m, n: 2 * inner, k, a, w, bias, dtype, finish: 'swiglu' }, { variant });
      compareStored(dtype, got.kept!, sums, bound(k), 'kept');
      // In bf16 the exponential has 7.5e-5 (vector.h); both are far below the rounding of the result.
      compareStored(dtype, got.c, activation(sums), dtype === 'bf16' ? 1e-3 : 4 * bound(k), 'act');

      const [dy, down] = [numbersOf(m * k, 4), numbersOf(k * inner, 5)];
      const kept = numbersOf(m * 2 * inner, 6);
      const d = transposed(m, k, inner, dy, down);
      const gradient = Float64Array.from(kept, (_, i) => {
        const [row, column] = [Math.floor(i / (2 * inner)), i % (2 * inner)];
        const j = row * inner + (column % inner);
        const [g, u] = [at(kept, j, 0), at(kept, j, 1)];
        return column < inner ? d[j]! * u * sigmoid(g) * (1 + g * (1 - sigmoid(g))) : d[j]! * g * sigmoid(g);
      });
      const back = matmul({ m, n: k, k: inner, a: dy, w: down, dtype, transposed: true, finish: 'swiglu_backward', kept }, { variant });
      compareStored(dtype, back.kept!, gradient, dtype === 'bf16' ? 1e-3 : 4 * bound(k), 'gradient');
      compareStored(dtype, back.c, activation(kept), dtype === 'bf16' ? 1e-3 : 1e-6, 'act again');
    });

    it.each([
      { m: 1, r: 1, k: 1 },
      { m: 0, r: 3, k: 4 },
      { m: 33, r: 32, k: 33 },
      { m: 300, r: 40, k: 70 },
      { m: 600, r: 5, k: 600 },
      { m: 40, r: 600, k: 33 },
    ])('contracts $m rows: $r x $k', ({ m, r, k }) => {
      const [left, right, out] = [numbersOf(m * r, 1), numbersOf(m * k, 2), numbers(r * k, 3)];
      const expected = plus(product(r, k, m, Float32Array.from({ length: r * m }, (_, i) => left[(i % m) * r + Math.floor(i / m)]!), (l, j) => right[l * k + j]!), out); // biome-ignore format: one call a line
      for (const taskBlocks of [1, 18]) {
        compare(contract({ m, r, k, left, right, out, dtype, taskBlocks }, { variant, threads: 2 }).out, expected, bound(m), 'sums');
      }
    });

    it('sums columns', () => {
      const [m, k] = [70, 40];
      const [x, out] = [numbersOf(m * k, 1), numbers(k, 2)];
      const expected = Float64Array.from(out, (o, j) => Array.from({ length: m }, (_, i) => x[i * k + j]!).reduce((s, v) => s + v, o));
      compare(columnSums({ m, k, x, out, dtype }, { variant }).out, expected, bound(m));
    });

    it('gives the same bits for any number of threads, and for a row alone', () => {
      const [m, n, k, rank] = [100, 70, 1400, 20];
      const all = { a: numbersOf(m * k, 1), lowLeft: numbersOf(m * rank, 6) };
      const base = { n, k, w: numbersOf(n * k, 3), dtype, lowRank: rank, lowRight: numbersOf(n * rank, 7) };
      const small = variant === 'reference' ? { ...base, m: 33, a: all.a.slice(0, 33 * k), lowLeft: all.lowLeft.slice(0, 33 * rank) } : { ...base, m, ...all }; // biome-ignore format: one object a line
      const { c } = matmul(small, { variant, threads: 1 });
      expect(matmul(small, { variant, threads: 2 }).c).toEqual(c);
      const alone = matmul(
        { ...base, m: 1, a: all.a.slice(20 * k, 21 * k), lowLeft: all.lowLeft.slice(20 * rank, 21 * rank) },
        { variant },
      );
      expect(alone.c).toEqual(c.slice(20 * n, 21 * n));
    });

    it('shows a NaN in its row and in no other', () => {
      const [m, n, k] = [5, 40, 50];
      const a = numbersOf(m * k, 1);
      a[60] = Number.NaN;
      const { c } = matmul({ m, n, k, a, w: numbersOf(n * k, 2), dtype }, { variant });
      expect(Array.from(c, Number.isNaN)).toEqual(Array.from(c, (_, i) => i >= n && i < 2 * n));
    });
  });
});

describe('packing', () => {
  const [m, n, k] = [3, 40, 40];
  const a = numbers(m * k, 1);
  const w = roundBf16(numbers(n * k, 2));
  const bits = new Uint32Array(w.buffer);
  it('reads the bf16 of a checkpoint', () => {
    const stored = Uint16Array.from(bits, (x) => x >>> 16);
    for (const dtype of ['f32', 'bf16'] as const) {
      expect(matmul({ m, n, k, a, w: stored, stored: 'bf16', dtype }).c).toEqual(matmul({ m, n, k, a, w, dtype }).c);
    }
  });
  it('reads the f16 of a checkpoint', () => {
    // Numbers of 7 bits around 1, and below 2^-14 the subnormal ones.
    const half = Float32Array.from({ length: n * k }, (_, i) => (i % 3 === 0 ? (i % 64) * 2 ** -24 : (128 + (i % 128)) / 128));
    const stored = Uint16Array.from({ length: n * k }, (_, i) => (i % 3 === 0 ? i % 64 : (15 << 10) | ((i % 128) << 3)));
    for (const dtype of ['f32', 'bf16'] as const) {
      expect(matmul({ m, n, k, a, w: stored, stored: 'f16', dtype }).c).toEqual(matmul({ m, n, k, a, w: half, dtype }).c);
    }
  });
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('tells a weight of %d', (bad) => {
    for (const at of [0, 17 * k + 33, n * k - 1]) {
      const broken = w.slice();
      broken[at] = bad;
      const stored = Uint16Array.from(new Uint32Array(broken.buffer), (x) => x >>> 16);
      for (const dtype of ['f32', 'bf16'] as const) {
        expect(matmul({ m, n, k, a, w: broken, dtype }).finite).toBe(false);
        expect(matmul({ m, n, k, a, w: stored, stored: 'bf16', dtype }).finite).toBe(false);
      }
    }
    expect(matmul({ m, n, k, a, w }).finite).toBe(true);
  });
});

describe('the plan', () => {
  const plans = (['reference', 'avx2', 'avx512', 'amx'] as const).flatMap((isa) =>
    (['f32', 'bf16'] as const).flatMap((dtype) =>
      [32, 576, 640, 1536, 4096].flatMap((contraction) =>
        [[32, 256], [32, 1024], [48, 2048]].map(([l1, l2]) => ({ isa, dtype, contraction, l1: l1! * 1024, l2: l2! * 1024 })))),
  ); // biome-ignore format: a table
  it('cuts in whole blocks that fit the caches', () => {
    for (const args of plans) {
      const { rows, depth, columns } = matmulPlan(args);
      for (const size of [rows, depth, columns]) expect(size % 32 === 0 && size > 0, JSON.stringify(args)).toBe(true);
      if (args.isa === 'amx' && args.dtype === 'bf16') expect(depth * 32 * 2).toBeLessThanOrEqual(args.l1);
      else expect(rows * depth * 4).toBeLessThanOrEqual(args.l2 * 0.6);
      expect(rows * columns * 4).toBeLessThanOrEqual(args.l2 * 0.6);
    }
  });
  it('is what was measured on 48 KiB and 2 MiB', () => {
    expect(matmulPlan({ isa: 'amx', dtype: 'bf16', contraction: 576 })).toMatchObject({ rows: 256, depth: 640, columns: 576 });
    expect(matmulPlan({ isa: 'amx', dtype: 'bf16', contraction: 1536 })).toMatchObject({ rows: 256, depth: 512, columns: 576 });
    expect(matmulPlan({ isa: 'avx512', dtype: 'f32', contraction: 576 })).toMatchObject({ rows: 256, depth: 576, columns: 576 });
  });
});

it('names the argument of a wrong length', () => {
  const args: MatmulArguments = { m: 2, n: 3, k: 4, a: new Float32Array(8), w: new Float32Array(12) };
  expect(() => matmul({ ...args, a: new Float32Array(7) })).toThrow('[matmul] a: expected a Float32Array of 8, got Float32Array of 7');
  expect(() => matmul({ ...args, w: new Float32Array(11) })).toThrow('[matmul] w: expected a Float32Array of 12, got Float32Array of 11');
  expect(() => matmul({ ...args, stored: 'f16' })).toThrow('[matmul] w: expected a Uint16Array of 12');
  expect(() => matmul({ ...args, bias: new Float32Array(2) })).toThrow('[matmul] bias: expected a Float32Array of 3');
  expect(() => matmul({ ...args, finish: 'add' })).toThrow('[matmul] residual: expected a Float32Array of 6, got undefined');
  expect(() => matmul({ ...args, finish: 'swiglu' })).toThrow('[matmul] finish: swiglu expects an even n');
  expect(() => matmul({ ...args, finish: 'swiglu_backward' })).toThrow('[matmul] kept: expected a Float32Array of 12, got undefined');
  expect(() => matmul({ ...args, lowRank: 2, lowLeft: new Float32Array(4) })).toThrow('[matmul] lowRight: expected a Float32Array of 6');
  expect(() => matmul({ ...args, k: 0 })).toThrow('[matmul] k: expected a whole number from 1');
  expect(() => contract({ m: 1, r: 2, k: 3, left: new Float32Array(2), right: new Float32Array(2) })).toThrow(
    '[matmul_contract] right: expected a Float32Array of 3, got Float32Array of 2',
  );
});
