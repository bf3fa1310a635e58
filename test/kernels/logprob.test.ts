import { describe, expect, it } from 'vitest';
import { kernelVariants, logprob, logprobBackward, logprobPlan } from '../../lib/kernels/index.js';
import { compare, type DType, numbers, random, roundBf16 } from './harness.js';

type Numbers = ArrayLike<number>;
interface Problem {
  R: number;
  V: number;
  H: number;
  softcap?: number;
  bias?: boolean;
}

const biasOf = ({ V, bias }: Problem) => (bias ? numbers(V, 9) : undefined);

/** In double: the four outputs of each row. */
function plain(problem: Problem, hidden: Numbers, weight: Numbers, targets: Int32Array) {
  const { R, V, H, softcap = 0 } = problem;
  const bias = biasOf(problem);
  const out = { logprob: new Float64Array(R), lse: new Float64Array(R), entropy: new Float64Array(R), mean: new Float64Array(R) };
  const logits: Float64Array[] = [];
  for (let m = 0; m < R; m++) {
    const z = Float64Array.from({ length: V }, (_, v) => {
      let sum = bias?.[v] ?? 0;
      for (let k = 0; k < H; k++) sum += hidden[m * H + k]! * weight[v * H + k]!;
      return softcap ? softcap * Math.tanh(sum / softcap) : sum;
    });
    const top = z.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const lse = top + Math.log(z.reduce((s, x) => s + Math.exp(x - top), 0));
    out.lse[m] = lse;
    out.logprob[m] = z[targets[m]!]! - lse;
    out.entropy[m] = lse - z.reduce((s, x) => s + Math.exp(x - lse) * x, 0);
    out.mean[m] = z.reduce((s, x) => s + x, 0) / V;
    logits.push(z);
  }
  return { ...out, logits };
}
interface Gradients {
  g: Float32Array;
  gLse?: Float32Array;
  gEntropy?: Float32Array;
  gMean?: Float32Array;
}
function plainBackward(problem: Problem, hidden: Numbers, weight: Numbers, targets: Int32Array, { g, gLse, gEntropy, gMean }: Gradients) {
  const { R, V, H, softcap = 0 } = problem;
  const { logits, lse, entropy } = plain(problem, hidden, weight, targets);
  const [dhidden, dweight, dbias] = [new Float64Array(R * H), new Float64Array(V * H), new Float64Array(V)];
  for (let m = 0; m < R; m++)
    for (let v = 0; v < V; v++) {
      const z = logits[m]![v]!;
      const p = Math.exp(z - lse[m]!);
      let s = g[m]! * (Number(v === targets[m]) - p) + (gLse?.[m] ?? 0) * p + (gMean?.[m] ?? 0) / V;
      s -= (gEntropy?.[m] ?? 0) * p * (z - lse[m]! + entropy[m]!);
      if (softcap) s *= 1 - (z / softcap) ** 2;
      dbias[v]! += s;
      for (let k = 0; k < H; k++) {
        dhidden[m * H + k]! += s * weight[v * H + k]!;
        dweight[v * H + k]! += s * hidden[m * H + k]!;
      }
    }
  return { dhidden, dweight, dbias };
}

function data(problem: Problem, dtype: DType, scale = 3) {
  const { R, V, H, softcap } = problem;
  const bias = biasOf(problem);
  const stored = (values: Float32Array) => (dtype === 'bf16' ? roundBf16(values) : values);
  const next = random(R + 7 * V);
  const targets = Int32Array.from({ length: R }, () => Math.floor(next() * V));
  const [hidden, weight] = [stored(numbers(R * H, 1)), stored(numbers(V * H, 2, scale / Math.sqrt(H)))];
  return { hidden, weight, targets, vocabulary: V, columns: H, dtype, ...(softcap && { softcap }), ...(bias && { bias }) };
}
const gradients = (R: number): Required<Gradients> => {
  const [g, gLse, gEntropy, gMean] = [3, 4, 5, 6].map((seed) => numbers(R, seed)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return { g, gLse, gEntropy, gMean };
};
const WANTED = { entropy: true, mean: true };

const PROBLEMS: Problem[] = [
  { R: 0, V: 33, H: 7 },
  { R: 1, V: 1, H: 1 },
  { R: 1, V: 31, H: 32 },
  { R: 31, V: 32, H: 33 },
  { R: 33, V: 33, H: 64 },
  { R: 40, V: 1000, H: 20 },
  { R: 5, V: 300, H: 700 },
  { R: 9, V: 100, H: 48, softcap: 3 },
  { R: 37, V: 1001, H: 20, bias: true },
  { R: 5, V: 45, H: 33, softcap: 3, bias: true },
];
const close = (got: Numbers, expected: Numbers, bound: number, what: string) => {
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(got[i]! - expected[i]!) <= bound * Math.max(1, Math.abs(expected[i]!))))
      expect.fail(`${what}[${i}]: got ${got[i]}, expected ${expected[i]}, off by ${got[i]! - expected[i]!}`);
};

/** ||got - expected|| / ||expected||, the latter at least 0.1: with one id all gradients are zero. */
function error(got: Numbers, expected: Float64Array): number {
  const far = expected.reduce((s, x, i) => s + (x - got[i]!) ** 2, 0);
  return Math.sqrt(far) / Math.max(0.1, Math.sqrt(expected.reduce((s, x) => s + x * x, 0)));
}

describe.each(kernelVariants('logprob'))('logprob %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    it.each(PROBLEMS)('agrees with double arithmetic: R $R, V $V, H $H, softcap $softcap, bias $bias', (problem) => {
      const args = data(problem, dtype);
      const got = logprob({ ...args, ...WANTED }, { variant });
      const expected = plain(problem, args.hidden, args.weight, args.targets);
      for (const name of ['logprob', 'lse', 'mean'] as const) close(got[name]!, expected[name], 1e-6, name);
      // An entropy moves several times as far as the logits, which are off by a few 1e-7 themselves.
      close(got.entropy!, expected.entropy, 4e-6, 'entropy');
      const bare = logprob(args, { variant });
      expect(Object.keys(bare).sort()).toEqual(['logprob', 'lse']);
      close(bare.logprob, expected.logprob, 1e-6, 'logprob alone');

      const all = gradients(problem.R);
      const { lse, entropy } = got;
      const back = logprobBackward({ ...args, lse, entropy, ...all, dweight: true }, { variant });
      const exact = plainBackward(problem, args.hidden, args.weight, args.targets, all);
      // bf16: slopes and results are rounded once each, 2^-9 of their size at most.
      const bound = dtype === 'f32' ? 3e-6 : 2 ** -8;
      expect(error(back.dhidden, exact.dhidden)).toBeLessThanOrEqual(bound);
      expect(error(back.dweight!, exact.dweight)).toBeLessThanOrEqual(bound);
      expect(back.dbias === undefined).toBe(!problem.bias);
      if (back.dbias) expect(error(back.dbias, exact.dbias)).toBeLessThanOrEqual(bound);
      const simple = logprobBackward({ ...args, lse, g: all.g }, { variant });
      expect(simple.dweight).toBeUndefined();
      const of = plainBackward(problem, args.hidden, args.weight, args.targets, { g: all.g });
      expect(error(simple.dhidden, of.dhidden)).toBeLessThanOrEqual(bound);
    });
    it.each([
      ['rising far from the first one, by turns of both signs', (v: number) => (v % 2 ? 1 : -1) * (1 + v / 8)],
      ['hundreds apart', (v: number) => (v === 77 ? 100 : 1)],
      ['all equal', () => 0],
    ])('keeps its sums in range with logits %s', (_, factor) => {
      const problem = { R: 6, V: 130, H: 20 };
      const args = data(problem, dtype);
      const weight = args.weight.map((w, i) => w * factor(Math.floor(i / 20)));
      args.weight = dtype === 'bf16' ? roundBf16(weight) : weight;
      const got = logprob({ ...args, ...WANTED }, { variant });
      const expected = plain(problem, args.hidden, args.weight, args.targets);
      // Logits of hundreds are themselves off by their last place, 1e-5.
      const largest = Math.max(1, ...expected.logits.map((z) => Math.max(...z.map(Math.abs))));
      for (const name of ['logprob', 'lse', 'entropy', 'mean'] as const) close(got[name]!, expected[name], 1e-6 * largest, name);
    });
    it('folds parts of a large vocabulary the same way, shared out by rows or by parts', () => {
      // Three parts. 5 rows are shared out by parts, 70 by rows; the first 5 of the 70 are the same rows.
      const problem = { R: 5, V: 2 * 8192 + 100, H: 5 };
      const many = data({ ...problem, R: 70 }, dtype, 6);
      many.targets.set([0, 8191, 8192, 16_483, 16_384]);
      const args = { ...many, hidden: many.hidden.slice(0, 25), targets: many.targets.slice(0, 5) };
      const got = logprob({ ...args, ...WANTED }, { variant, threads: 1 });
      const { logits: _, ...expected } = plain(problem, args.hidden, args.weight, args.targets);
      for (const [name, values] of Object.entries(expected)) close(got[name as 'lse']!, values, name === 'entropy' ? 4e-6 : 1e-6, name);
      const all = gradients(5);
      const inputs = { ...args, ...all, lse: got.lse, entropy: got.entropy, dweight: true };
      const back = logprobBackward(inputs, { variant, threads: 1 });
      const exact = plainBackward(problem, args.hidden, args.weight, args.targets, all);
      expect(error(back.dhidden, exact.dhidden)).toBeLessThanOrEqual(dtype === 'f32' ? 3e-6 : 2 ** -8);
      expect(error(back.dweight!, exact.dweight)).toBeLessThanOrEqual(dtype === 'f32' ? 3e-6 : 2 ** -8);
      expect(logprob({ ...args, ...WANTED }, { variant, threads: 2 })).toEqual(got);
      expect(logprobBackward(inputs, { variant, threads: 2 })).toEqual(back);
      if (variant === 'reference') return;
      const { lse } = logprob(many, { variant, threads: 2 });
      expect(lse.slice(0, 5)).toEqual(got.lse);
      const [g, two] = [new Float32Array(70).fill(1), { ...args, lse: got.lse, g: new Float32Array(5).fill(1) }];
      const { dhidden } = logprobBackward({ ...many, lse, g }, { variant, threads: 2 });
      expect(dhidden.slice(0, 25)).toEqual(logprobBackward(two, { variant, threads: 2 }).dhidden);
    });
    it('gives the same bits for any number of threads, and for a row alone', () => {
      const args = data({ R: 70, V: 500, H: 40 }, dtype);
      const all = gradients(70);
      const one = logprob({ ...args, ...WANTED }, { variant, threads: 1 });
      const back = logprobBackward({ ...args, lse: one.lse, entropy: one.entropy, ...all, dweight: true }, { variant, threads: 1 });
      for (const threads of [2, 3]) {
        expect(logprob({ ...args, ...WANTED }, { variant, threads })).toEqual(one);
        expect(logprobBackward({ ...args, lse: one.lse, entropy: one.entropy, ...all, dweight: true }, { variant, threads })).toEqual(back);
      }
      const row = 68;
      const only = { ...args, hidden: args.hidden.slice(row * 40, row * 40 + 40), targets: args.targets.slice(row, row + 1) };
      const alone = logprob({ ...only, ...WANTED }, { variant });
      for (const name of ['logprob', 'lse', 'entropy', 'mean'] as const) expect(alone[name]![0]).toBe(one[name]![row]);
      const g = Object.fromEntries(Object.entries(all).map(([name, values]) => [name, values.slice(row, row + 1)])) as unknown as Gradients;
      const dhidden = logprobBackward({ ...only, lse: alone.lse, entropy: alone.entropy, ...g }, { variant }).dhidden;
      expect(dhidden).toEqual(back.dhidden.slice(row * 40, row * 40 + 40));
    });
    it('shows a NaN in its row and in no other', () => {
      const args = data({ R: 5, V: 70, H: 12 }, dtype);
      args.hidden[2 * 12 + 3] = Number.NaN;
      const got = logprob({ ...args, ...WANTED }, { variant });
      for (const name of ['logprob', 'lse', 'entropy', 'mean'] as const)
        expect(Array.from(got[name]!, Number.isNaN)).toEqual([false, false, true, false, false]);
      const { dhidden } = logprobBackward({ ...args, lse: got.lse, g: numbers(5, 3) }, { variant });
      expect(Array.from(dhidden, Number.isNaN)).toEqual(Array.from(dhidden, (_, i) => i >= 24 && i < 36));
    });
  });
});

describe('the plan', () => {
  it('is what was measured on 48 KiB and 2 MiB', () => {
    expect(logprobPlan({ isa: 'amx', dtype: 'bf16', columns: 576 })).toMatchObject({ rows: 512, gradientRows: 512, chunk: 512 });
    expect(logprobPlan({ isa: 'amx', dtype: 'bf16', columns: 2048 })).toMatchObject({ rows: 256, gradientRows: 128, chunk: 512 });
    expect(logprobPlan({ isa: 'avx512', dtype: 'f32', columns: 576 })).toMatchObject({ rows: 256, gradientRows: 512, chunk: 256 });
  });
  it('keeps the gradient of a pass in L2, in whole blocks, and chunks in whole parts', () => {
    for (const columns of [32, 576, 4096, 16_384])
      for (const l2 of [256 << 10, 1 << 20, 2 << 20, 64 << 20]) {
        const { gradientRows, chunk, part, rows } = logprobPlan({ isa: 'amx', dtype: 'bf16', columns, l2 });
        expect((part % chunk) + (gradientRows % 32) + (rows % 32)).toBe(0);
        expect(gradientRows === 32 || gradientRows * columns * 4 <= l2 * 0.6).toBe(true);
      }
  });
  it('shares rows out evenly, and by parts where they are few', () => {
    const of = (rows: number, threads: number) => {
      const { evenRows, byParts } = logprobPlan({ isa: 'amx', dtype: 'bf16', columns: 576, rows, threads, vocabulary: 49_152 });
      return [evenRows, byParts];
    };
    expect(of(2048, 2)).toEqual([512, false]);
    expect(of(700, 2)).toEqual([352, false]);
    expect(of(512, 16)).toEqual([64, false]);
    expect(of(64, 1)).toEqual([64, false]);
    expect(of(64, 2)[1]).toBe(true);
    expect(of(65, 2)[1]).toBe(false);
    expect(of(1, 2)).toEqual([32, true]);
    expect(logprobPlan({ isa: 'amx', dtype: 'bf16', columns: 576, rows: 1, threads: 2, vocabulary: 8192 }).byParts).toBe(false);
  });
});

describe('the rows of a search for the likeliest', () => {
  const of = (rows: number, topK: number, threads: number) =>
    logprobPlan({ isa: 'amx', dtype: 'bf16', columns: 576, rows, topK, threads, l2: 2 << 20 }).topRows;
  it('are as many as pay for the weights, and give each thread a block', () => {
    expect(of(2048, 64, 2)).toBe(512);
    expect(of(1100, 64, 2)).toBe(288);
    expect(of(64, 64, 2)).toBe(32);
    expect(of(1, 64, 2)).toBe(32);
    expect(of(0, 64, 2)).toBe(32);
  });
  it('are fewer where each keeps many', () => {
    expect(of(2048, 1024, 2)).toBe(128);
    expect(of(2048, 4096, 2)).toBe(32);
  });
});

it('is the gradient that finite differences give', () => {
  const problem = { R: 3, V: 7, H: 4, softcap: 2 };
  const { hidden, weight, targets } = data(problem, 'f32');
  const all = gradients(3);
  const loss = (h: Numbers, w: Numbers) => {
    const out = plain(problem, h, w, targets);
    const part = (g: Float32Array, values: Float64Array) => values.reduce((s, x, m) => s + g[m]! * x, 0);
    return part(all.g, out.logprob) + part(all.gLse, out.lse) + part(all.gEntropy, out.entropy) + part(all.gMean, out.mean);
  };
  const slopes = (f: (v: Float64Array) => number, v: Float32Array) =>
    Array.from(v, (_, i) => {
      const [up, down] = [Float64Array.from(v), Float64Array.from(v)];
      up[i]! += 1e-5;
      down[i]! -= 1e-5;
      return (f(up) - f(down)) / 2e-5;
    });
  const exact = plainBackward(problem, hidden, weight, targets, all);
  const ofHidden = slopes((h) => loss(h, weight), hidden);
  compare(exact.dhidden, ofHidden, 1e-8, 'dhidden');
  const ofWeight = slopes((w) => loss(hidden, w), weight);
  compare(exact.dweight, ofWeight, 1e-8, 'dweight');
});

it('names the argument of a wrong length or range', () => {
  const args = { hidden: new Float32Array(4), weight: new Float32Array(6), targets: Int32Array.of(0, 2), vocabulary: 3, columns: 2 };
  expect(() => logprob({ ...args, targets: Int32Array.of(0, 3) })).toThrow('[logprob] targets[1]: expected 0 to 2, got 3');
  expect(() => logprob({ ...args, hidden: new Float32Array(5) })).toThrow(
    '[logprob] hidden: expected a Float32Array of 4, got Float32Array of 5',
  );
  expect(() => logprob({ ...args, weight: new Float32Array(5) })).toThrow('[logprob] weight: expected a Float32Array of 6, got');
  expect(() => logprob({ ...args, bias: new Float32Array(2) })).toThrow('[logprob] bias: expected a Float32Array of 3, got');
  expect(() => logprob({ ...args, softcap: -1 })).toThrow('[logprob] softcap: expected 0 (none) or more, got -1');
  const two = new Float32Array(2);
  expect(() => logprobBackward({ ...args, lse: two, g: two, gEntropy: two })).toThrow(
    '[logprob_backward] entropy: expected a Float32Array of 2',
  );
  expect(() => logprobBackward({ ...args, lse: two, g: new Float32Array(1) })).toThrow(
    '[logprob_backward] g: expected a Float32Array of 2, got',
  );
});
