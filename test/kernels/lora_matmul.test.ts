import { describe, expect, it } from 'vitest';
import { kernelVariants, type LoraTarget, loraMatmul } from '../../lib/kernels/index.js';
import { compare, compareStored, type DType, numbers, relativeError, roundBf16 } from './harness.js';

interface Shape {
  m: number;
  k: number;
  targets: { n: number; rank: number }[];
  gated?: boolean;
}
const SCALE = 0.5;
const given = (dtype: DType, n: number, seed: number, scale = 1) =>
  dtype === 'bf16' ? roundBf16(numbers(n, seed, scale)) : numbers(n, seed, scale);

/** Numbers whose sums stay near 1: a factor is scaled by one over the square root of what it is summed over. */
function data(dtype: DType, { m, k, targets, gated }: Shape) {
  const outputs = targets.reduce((sum, { n }) => sum + n, 0);
  const made = targets.map(({ n, rank }, t) => ({
    n,
    rank,
    w: given(dtype, n * k, 10 * t + 1, k ** -0.5),
    a: given(dtype, rank * k, 10 * t + 2, k ** -0.5),
    b: given(dtype, n * rank, 10 * t + 3, Math.max(rank, 1) ** -0.5),
  }));
  return { m, k, gated, scale: SCALE, dtype, targets: made, x: given(dtype, m * k, 4), dy: given(dtype, m * outputs, 5) };
}
type Data = ReturnType<typeof data>;

/** (rows, columns) = sum over l of left(row, l) right(l, column), in double. */
function product(
  rows: number,
  columns: number,
  depth: number,
  left: (r: number, l: number) => number,
  right: (l: number, c: number) => number,
) {
  // biome-ignore format: a signature
  const out = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let l = 0; l < depth; l++) {
      const x = left(r, l);
      for (let c = 0; c < columns; c++) out[r * columns + c]! += x * right(l, c);
    }
  return out;
}

/** Everything in double. `low` is P and dP as a kernel of this dtype holds them. */
function plain({ m, k, targets, x, dy }: Data, low: (v: Float64Array) => ArrayLike<number>) {
  const outputs = targets.reduce((sum, { n }) => sum + n, 0);
  const y = new Float64Array(m * outputs);
  const dx = new Float64Array(m * k);
  let from = 0;
  const gradients = targets.map(({ n, rank, w, a, b }) => {
    const start = from;
    from += n;
    const slope = (r: number, c: number) => dy[r * outputs + start + c]!;
    const P = low(product(m, rank, k, (r, l) => SCALE * x[r * k + l]!, (l, c) => a[c * k + l]!));
    const dP = low(product(m, rank, n, (r, l) => SCALE * slope(r, l), (l, c) => b[l * rank + c]!));
    const base = product(m, n, k, (r, l) => x[r * k + l]!, (l, c) => w[c * k + l]!);
    const term = product(m, n, rank, (r, l) => P[r * rank + l]!, (l, c) => b[c * rank + l]!);
    for (let i = 0; i < m * n; i++) y[Math.floor(i / n) * outputs + start + (i % n)] = base[i]! + term[i]!;
    const back = product(m, k, n, slope, (l, c) => w[l * k + c]!);
    const backTerm = product(m, k, rank, (r, l) => dP[r * rank + l]!, (l, c) => a[l * k + c]!);
    for (let i = 0; i < m * k; i++) dx[i]! += back[i]! + backTerm[i]!;
    return {
      a: product(rank, k, m, (r, l) => dP[l * rank + r]!, (l, c) => x[l * k + c]!),
      b: product(n, rank, m, (r, l) => slope(l, r), (l, c) => P[l * rank + c]!),
    };
  }); // biome-ignore format: formulas
  return { y, dx, gradients };
}

/** Data and exact results of a shape, made once for all variants; `rounded`: with P, dP as bf16 holds them. */
const made = new Map<string, { args: Data; exact: ReturnType<typeof plain>; rounded: ReturnType<typeof plain> }>();
function prepared(dtype: DType, shape: Shape) {
  const key = dtype + JSON.stringify(shape);
  const args = data(dtype, shape);
  if (!made.has(key)) made.set(key, { args, exact: plain(args, (v) => v), rounded: plain(args, roundBf16) });
  return made.get(key)!;
}

const SHAPES: Shape[] = [
  { m: 0, k: 3, targets: [{ n: 2, rank: 1 }] },
  { m: 1, k: 1, targets: [{ n: 1, rank: 1 }] },
  { m: 33, k: 40, targets: [{ n: 50, rank: 16 }] },
  { m: 20, k: 70, targets: [{ n: 64, rank: 8 }, { n: 0 + 20, rank: 0 }, { n: 33, rank: 3 }] },
  { m: 37, k: 64, targets: [{ n: 96, rank: 16 }, { n: 32, rank: 16 }, { n: 32, rank: 16 }] },
  { m: 40, k: 33, targets: [{ n: 40, rank: 20 }, { n: 40, rank: 7 }], gated: true },
  { m: 31, k: 20, targets: [{ n: 40, rank: 0 }, { n: 40, rank: 5 }], gated: true },
  { m: 9, k: 96, targets: [{ n: 32, rank: 256 }, { n: 32, rank: 100 }] },
  { m: 5, k: 20, targets: [{ n: 20, rank: 0 }] },
]; // biome-ignore format: a table
const named = SHAPES.map(
  (shape) => [`${shape.m} x ${shape.k} to ${shape.targets.map(({ n, rank }) => `${n} (${rank})`).join(', ')}`, shape] as const,
);

describe.each(kernelVariants('lora_matmul'))('lora_matmul %s', (variant) => {
  it.each(named)('in fp32 agrees with double arithmetic: %s', (_, shape) => {
    const { args, exact: expected } = prepared('f32', shape);
    const got = loraMatmul(args, { variant, threads: 2 });
    compare(got.y, expected.y, 4e-6, 'y');
    compare(got.dx!, expected.dx, 4e-6, 'dx');
    expected.gradients.forEach(({ a, b }, t) => {
      compare(got.gradients![t]!.a, a, 4e-6, `gradient of a[${t}]`);
      compare(got.gradients![t]!.b, b, 4e-6, `gradient of b[${t}]`);
    });
    expect(loraMatmul({ ...args, dy: undefined }, { variant }).y).toEqual(got.y);
  });

  it.each(named)('in bf16 errs at most twice as much as rounding P and the results does: %s', (_, shape) => {
    const { args, exact, rounded } = prepared('bf16', shape);
    const got = loraMatmul(args, { variant, threads: 2 });
    // One number may be rounded well by luck: half a unit in the last place, 2^-8, is always allowed.
    const within = (what: string, x: ArrayLike<number>, r: ArrayLike<number>, e: ArrayLike<number>) => {
      if (e.length === 0) return expect(x.length, what).toBe(0);
      expect(relativeError(x, e), what).toBeLessThanOrEqual(2 * Math.max(relativeError(roundBf16(r), e), 2 ** -9));
    };
    within('y', got.y, rounded.y, exact.y);
    within('dx', got.dx!, rounded.dx, exact.dx);
    exact.gradients.forEach(({ a, b }, t) => {
      within(`gradient of a[${t}]`, got.gradients![t]!.a, rounded.gradients[t]!.a, a);
      within(`gradient of b[${t}]`, got.gradients![t]!.b, rounded.gradients[t]!.b, b);
    });
    if (shape.targets.every(({ rank }) => rank === 0)) compareStored('bf16', got.y, exact.y, 4e-6, 'y');
  });

  it.each(['f32', 'bf16'] as const)('gives the same bits for any number of threads, and for a row alone: %s', (dtype) => {
    const args = data(dtype, { m: 70, k: 100, targets: [{ n: 64, rank: 40 }, { n: 40, rank: 9 }] }); // biome-ignore format: one call
    const one = loraMatmul(args, { variant, threads: 1 });
    expect(loraMatmul(args, { variant, threads: 2 })).toEqual(one);
    const alone = loraMatmul({ ...args, m: 1, x: args.x.slice(300, 400), dy: args.dy.slice(3 * 104, 4 * 104) }, { variant });
    expect(alone.y).toEqual(one.y.slice(3 * 104, 4 * 104));
    expect(alone.dx).toEqual(one.dx!.slice(300, 400));
  });

  it.each(['f32', 'bf16'] as const)('shows a NaN in its row and in every gradient it reaches: %s', (dtype) => {
    const args = data(dtype, { m: 4, k: 40, targets: [{ n: 32, rank: 3 }] });
    args.x[50] = Number.NaN;
    const got = loraMatmul(args, { variant });
    expect(Array.from(got.y, Number.isNaN)).toEqual(Array.from(got.y, (_, i) => i >= 32 && i < 64));
    expect(got.gradients![0]!.b.every(Number.isNaN)).toBe(true);
    expect(Array.from(got.gradients![0]!.a, Number.isNaN)).toEqual(Array.from(got.gradients![0]!.a, (_, i) => i % 40 === 10));
    expect(got.dx!.some(Number.isNaN)).toBe(false);
  });
});

it('is the gradient that finite differences give', () => {
  const args = data('f32', { m: 3, k: 4, targets: [{ n: 3, rank: 2 }, { n: 2, rank: 1 }] }); // biome-ignore format: one call
  const loss = (changed: Data) => plain(changed, (v) => v).y.reduce((sum, y, i) => sum + y * args.dy[i]!, 0);
  const slopes = (v: Float32Array, put: (v: Float64Array) => Data) =>
    Array.from(v, (_, i) => {
      const [up, down] = [Float64Array.from(v), Float64Array.from(v)];
      up[i]! += 1e-5;
      down[i]! -= 1e-5;
      return (loss(put(up)) - loss(put(down))) / 2e-5;
    });
  const target = (t: number, part: Partial<Record<keyof LoraTarget, Float64Array>>) =>
    ({ ...args, targets: args.targets.map((old, i) => (i === t ? { ...old, ...part } : old)) }) as Data;
  const { dx, gradients } = plain(args, (v) => v);
  const asData = (x: Float64Array) => ({ ...args, x }) as unknown as Data;
  compare(dx, slopes(args.x, asData), 1e-8, 'dx');
  gradients.forEach(({ a, b }, t) => {
    compare(a, slopes(args.targets[t]!.a, (v) => target(t, { a: v })), 1e-8, 'a');
    compare(b, slopes(args.targets[t]!.b, (v) => target(t, { b: v })), 1e-8, 'b');
  }); // biome-ignore format: one call a line
});

it('names the argument of a wrong length', () => {
  const args = data('f32', { m: 2, k: 3, targets: [{ n: 4, rank: 2 }] });
  const one = args.targets[0]!;
  expect(() => loraMatmul({ ...args, x: new Float32Array(5) })).toThrow(
    '[lora_matmul] x: expected a Float32Array of 6, got Float32Array of 5',
  );
  expect(() => loraMatmul({ ...args, dy: new Float32Array(5) })).toThrow('[lora_matmul] dy: expected a Float32Array of 8');
  expect(() => loraMatmul({ ...args, targets: [{ ...one, a: new Float32Array(5) }] })).toThrow(
    '[lora_matmul targets[0]] a: expected a Float32Array of 6, got Float32Array of 5',
  );
  expect(() => loraMatmul({ ...args, targets: [{ ...one, rank: 257 }] })).toThrow('rank: expected a whole number from 0 to 256, got 257');
  expect(() => loraMatmul({ ...args, targets: [] })).toThrow('[lora_matmul] targets: expected at least one');
  expect(() => loraMatmul({ ...args, gated: true })).toThrow('[lora_matmul] gated: expected two targets of equal n');
});
