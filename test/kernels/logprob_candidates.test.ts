/** The log-probabilities of given ids, their gradient, and the likeliest ids: against plain sums in double. */
import { describe, expect, it } from 'vitest';
import { kernelVariants, logprob, logprobBackward } from '../../lib/kernels/index.js';
import { compare, type DType, numbers, random, relativeError, roundBf16 } from './harness.js';

interface Problem {
  R: number;
  V: number;
  H: number;
  K: number;
  softcap?: number;
  bias?: boolean;
}
const PROBLEMS: Problem[] = [
  { R: 0, V: 33, H: 7, K: 4 },
  { R: 1, V: 1, H: 1, K: 1 },
  { R: 1, V: 31, H: 32, K: 31 },
  { R: 33, V: 33, H: 64, K: 5 },
  { R: 65, V: 1000, H: 20, K: 64 },
  { R: 3, V: 140, H: 200, K: 9 },
  { R: 9, V: 100, H: 48, K: 100, softcap: 3 },
  { R: 5, V: 45, H: 33, K: 7, softcap: 3, bias: true },
];

function data({ R, V, H, K, softcap, bias }: Problem, dtype: DType) {
  const stored = (values: Float32Array) => (dtype === 'bf16' ? roundBf16(values) : values);
  const next = random(R + 7 * V);
  const ids = (n: number) => Int32Array.from({ length: n }, () => Math.floor(next() * V));
  const args = { hidden: stored(numbers(R * H, 1)), weight: stored(numbers(V * H, 2, 3 / Math.sqrt(H))), targets: ids(R) };
  // Drawn with repetitions: an id may stand more than once.
  const common = { ...args, candidates: ids(R * K), vocabulary: V, columns: H, dtype };
  return { ...common, ...(softcap && { softcap }), ...(bias && { bias: numbers(V, 9) }) };
}
type Data = Omit<ReturnType<typeof data>, 'hidden' | 'weight'> & { hidden: ArrayLike<number>; weight: ArrayLike<number> };

/** In double: all log-probabilities (R, V) and logits. */
function plain({ hidden, weight, targets, vocabulary: V, columns: H, bias, softcap = 0 }: Data) {
  return Array.from(targets, (_, m) => {
    const z = Float64Array.from({ length: V }, (_, v) => {
      let sum = bias?.[v] ?? 0;
      for (let k = 0; k < H; k++) sum += hidden[m * H + k]! * weight[v * H + k]!;
      return softcap ? softcap * Math.tanh(sum / softcap) : sum;
    });
    const top = Math.max(...z);
    const lse = top + Math.log(z.reduce((s, x) => s + Math.exp(x - top), 0));
    return { z, logp: z.map((x) => x - lse) };
  });
}

function plainBackward(args: Data, g: ArrayLike<number>, gCandidates: ArrayLike<number>) {
  const { hidden, weight, targets, candidates, vocabulary: V, columns: H, softcap = 0 } = args;
  const [dhidden, dweight, dbias] = [new Float64Array(targets.length * H), new Float64Array(V * H), new Float64Array(V)];
  const K = candidates.length / Math.max(1, targets.length);
  for (const [m, { z, logp }] of plain(args).entries()) {
    const direct = new Float64Array(V);
    direct[targets[m]!]! += g[m]!;
    for (let i = m * K; i < (m + 1) * K; i++) direct[candidates[i]!]! += gCandidates[i]!;
    const sum = direct.reduce((a, b) => a + b, 0);
    for (let v = 0; v < V; v++) {
      const s = (direct[v]! - sum * Math.exp(logp[v]!)) * (softcap ? 1 - (z[v]! / softcap) ** 2 : 1);
      dbias[v]! += s;
      for (let k = 0; k < H; k++) {
        dhidden[m * H + k]! += s * weight[v * H + k]!;
        dweight[v * H + k]! += s * hidden[m * H + k]!;
      }
    }
  }
  return { dhidden, dweight, dbias };
}

/** The K largest, ties by lower id. */
const largest = (values: Float64Array, K: number) => [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, K);

/** A log-probability is a logit less lse, all three in fp32: off by a few last places of the largest of them. */
function near(got: ArrayLike<number>, expected: ArrayLike<number>, size: number) {
  const bound = 3e-7 * Math.max(3, size);
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < got.length; i++)
    if (!(Math.abs(got[i]! - expected[i]!) <= bound)) expect.fail(`[${i}]: got ${got[i]}, expected ${expected[i]}, bound ${bound}`);
}

describe.each(kernelVariants('logprob'))('candidates of logprob %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    it.each(PROBLEMS)('agree with double arithmetic: R $R, V $V, H $H, K $K, softcap $softcap, bias $bias', (problem) => {
      const { K, R } = problem;
      const args = data(problem, dtype);
      const got = logprob({ ...args, topK: K }, { variant });
      const rows = plain(args);
      const size = Math.max(0, ...rows.map(({ z, logp }) => Math.max(...z.map(Math.abs), ...logp.map(Math.abs))));
      const at = (ids: Int32Array) => Array.from(ids, (v, i) => rows[Math.floor(i / K)]!.logp[v]!);
      near(got.candidates!, at(args.candidates), size);
      const likeliest = rows.flatMap(({ logp }) => largest(logp, K).map((v) => logp[v]!));
      near(got.topLogprob!, likeliest, size);
      // Neighbours closer than rounding may stand the other way round: each id has the value beside it, and none stands twice.
      near(got.topLogprob!, at(got.topIds!), size);
      for (let m = 0; m < R; m++) expect(new Set(got.topIds!.slice(m * K, (m + 1) * K)).size).toBe(K);

      const [g, gCandidates] = [numbers(R, 3), numbers(R * K, 4)];
      const inputs = { ...args, lse: got.lse, candidateLogprob: got.candidates!, g, gCandidates, dweight: true };
      const back = logprobBackward(inputs, { variant });
      const exact = plainBackward(args, g, gCandidates);
      if (R === 0) return;
      // bf16: slopes once, results twice rounded. With one id every gradient is zero, and what is left is measured by the terms that cancel.
      const bound = dtype === 'f32' ? 3e-6 : 2 ** -7;
      const terms = Math.hypot(...g, ...gCandidates) * Math.hypot(...args.hidden.slice(0, 1), ...args.weight.slice(0, 1));
      const wrong = (x: ArrayLike<number>, y: ArrayLike<number>) =>
        problem.V === 1 ? Math.max(...Array.from(x, Math.abs)) / terms : relativeError(x, y);
      expect(wrong(back.dhidden, exact.dhidden)).toBeLessThanOrEqual(bound);
      expect(wrong(back.dweight!, exact.dweight)).toBeLessThanOrEqual(bound);
      if (problem.bias) expect(wrong(back.dbias!, exact.dbias)).toBeLessThanOrEqual(bound);
    });
    it('gives the same bits for any number of threads, and for a row alone', () => {
      const [K, H, row] = [9, 40, 68];
      const args = data({ R: 70, V: 500, H, K }, dtype);
      const run = (of: typeof args, gs: { g: Float32Array; gCandidates: Float32Array }, threads: number) => {
        const out = logprob({ ...of, topK: K }, { variant, threads });
        return {
          out,
          back: logprobBackward({ ...of, ...gs, lse: out.lse, candidateLogprob: out.candidates!, dweight: true }, { variant, threads }),
        };
      };
      const gs = { g: numbers(70, 3), gCandidates: numbers(70 * K, 4) };
      const one = run(args, gs, 1);
      for (const threads of [2, 3]) expect(run(args, gs, threads)).toEqual(one);
      const part = <T extends Float32Array | Int32Array>(x: T, n: number) => x.slice(row * n, (row + 1) * n) as T;
      const only = { ...args, hidden: part(args.hidden, H), targets: part(args.targets, 1), candidates: part(args.candidates, K) };
      const alone = run(only, { g: part(gs.g, 1), gCandidates: part(gs.gCandidates, K) }, 1);
      expect(alone.out.candidates).toEqual(part(one.out.candidates!, K));
      expect(alone.out.topIds).toEqual(part(one.out.topIds!, K));
      expect(alone.out.topLogprob).toEqual(part(one.out.topLogprob!, K));
      expect(alone.back.dhidden).toEqual(part(one.back.dhidden, H));
    });
    it('keeps the lower ids of equal ones, wherever they stand', () => {
      const [V, H, K, kinds] = [520, 24, 45, 13];
      const args = data({ R: 4, V, H, K }, dtype);
      // Id v has the weights of kind v mod 13, so that 40 ids each are equal to the last bit.
      for (let v = kinds; v < V; v++) args.weight.copyWithin(v * H, (v % kinds) * H, ((v % kinds) + 1) * H);
      const got = logprob({ ...args, topK: K }, { variant });
      const expected = plain(args).flatMap(({ z }) => largest(z, K));
      expect(Array.from(got.topIds!)).toEqual(expected);
    });
    it('orders equal ones by id, and shows a NaN in its row alone', () => {
      const args = data({ R: 3, V: 70, H: 12, K: 2 }, dtype);
      args.weight.copyWithin(50 * 12, 10 * 12, 11 * 12);
      args.hidden.set(
        args.weight.slice(10 * 12, 11 * 12).map((x) => 4 * x),
        0,
      );
      args.hidden[2 * 12 + 3] = Number.NaN;
      const got = logprob({ ...args, topK: 70 }, { variant });
      const at = got.topIds!.slice(0, 70).indexOf(10);
      expect(got.topIds![at + 1]).toBe(50);
      expect(got.topLogprob![at + 1]).toBe(got.topLogprob![at]);
      expect(Array.from(got.topLogprob!, Number.isNaN)).toEqual(Array.from({ length: 210 }, (_, i) => i >= 140));
      expect(Array.from(got.candidates!, Number.isNaN)).toEqual([false, false, false, false, true, true]);
    });
  });
});

it('have the gradient that finite differences give', () => {
  const args = data({ R: 3, V: 7, H: 4, K: 3, softcap: 2 }, 'f32');
  const [g, gCandidates] = [numbers(3, 3), numbers(9, 4)];
  const loss = (hidden: ArrayLike<number>) =>
    plain({ ...args, hidden }).reduce((sum, { logp }, m) => {
      for (let k = 0; k < 3; k++) sum += gCandidates[m * 3 + k]! * logp[args.candidates[m * 3 + k]!]!;
      return sum + g[m]! * logp[args.targets[m]!]!;
    }, 0);
  const slopes = Array.from(args.hidden, (_, i) => {
    const [up, down] = [Float64Array.from(args.hidden), Float64Array.from(args.hidden)];
    up[i]! += 1e-5;
    down[i]! -= 1e-5;
    return (loss(up) - loss(down)) / 2e-5;
  });
  compare(plainBackward(args, g, gCandidates).dhidden, slopes, 1e-8, 'dhidden');
});

it('names the argument of a wrong length or range', () => {
  const args = data({ R: 2, V: 5, H: 2, K: 2 }, 'f32');
  expect(() => logprob({ ...args, candidates: Int32Array.of(0, 1, 2) })).toThrow(
    'candidates: expected the same number of ids for each of 2 rows, got 3',
  );
  expect(() => logprob({ ...args, candidates: Int32Array.of(0, 5) })).toThrow('candidates[1]: expected 0 to 4, got 5');
  for (const topK of [0, 6, 1.5]) expect(() => logprob({ ...args, topK })).toThrow('topK: expected');
  const two = new Float32Array(2);
  const back = { ...args, lse: two, g: two, candidateLogprob: new Float32Array(4) };
  expect(() => logprobBackward({ ...back, gCandidates: two })).toThrow('gCandidates: expected a Float32Array of 4');
  expect(() => logprobBackward(back)).toThrow('gCandidates: expected a Float32Array of 4');
});
