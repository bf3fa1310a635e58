import { describe, expect, it } from 'vitest';
import { attention, attentionBackward, kernelVariants } from '../../lib/kernels/index.js';
import { type Answer, attentionInDouble, type Problem } from './attention.double.js';
import { branches, type Layout, laidOut, none, permutation, scattered } from './attention_layouts.js';
import { compare, numbers, random, relativeError, roundBf16 } from './harness.js';

type Case = Pick<Problem, 'lengths' | 'heads' | 'kvHeads' | 'headSize'> & {
  causal?: boolean;
  window?: number;
  softcap?: number;
  scale?: number;
  rotary?: boolean;
  /** Deviation of q and k: 3 gives sharp softmaxes. */
  spread?: number;
  /** How a sequence of n tokens is laid out; its numbers are counted from its start. */
  layout?: (n: number) => Layout;
};

const cases: Record<string, Case> = {
  'one token': { lengths: [1], heads: 1, kvHeads: 1, headSize: 8 },
  'ragged, odd head size': { lengths: [31, 1, 32, 33], heads: 3, kvHeads: 1, headSize: 7 },
  'grouped, rotary': { lengths: [5, 64, 70], heads: 4, kvHeads: 2, headSize: 20, rotary: true },
  'head 64, several blocks, sharp': { lengths: [161], heads: 2, kvHeads: 2, headSize: 64, rotary: true, spread: 3 },
  'head 128, full': { lengths: [33, 40], heads: 2, kvHeads: 1, headSize: 128, causal: false, scale: 0.2 },
  'head 130 in 192': { lengths: [37], heads: 1, kvHeads: 1, headSize: 130, rotary: true },
  'head 256, soft cap': { lengths: [47], heads: 2, kvHeads: 1, headSize: 256, softcap: 2, rotary: true },
  'soft cap, full, sharp': { lengths: [66, 3], heads: 2, kvHeads: 1, headSize: 32, softcap: 5, causal: false, spread: 3 },
  'window 1': { lengths: [40], heads: 1, kvHeads: 1, headSize: 16, window: 1 },
  'window across blocks': { lengths: [150, 20], heads: 2, kvHeads: 1, headSize: 16, window: 37, rotary: true },
  'narrow window, far blocks': { lengths: [330], heads: 1, kvHeads: 1, headSize: 8, window: 3 },
  'window, full': { lengths: [100], heads: 1, kvHeads: 1, headSize: 8, window: 10, causal: false },
  'two branches': { lengths: [97, 5], heads: 2, kvHeads: 1, headSize: 16, rotary: true, layout: branches(40, 30, 27) },
  'branches at borders of blocks': { lengths: [160, 161], heads: 2, kvHeads: 2, headSize: 64, layout: branches(64, 32, 32, 32) },
  'many short branches': { lengths: [130], heads: 4, kvHeads: 2, headSize: 8, layout: branches(33, 1, 2, 30, 31, 9, 3) },
  'branches farther apart than a chunk of keys': { lengths: [330], heads: 2, kvHeads: 1, headSize: 32, layout: branches(20, 140, 110, 60) },
  'branches in a window': { lengths: [200], heads: 2, kvHeads: 1, headSize: 16, window: 37, rotary: true, layout: branches(90, 50, 60) },
  'branches, soft cap, sharp': { lengths: [120], heads: 2, kvHeads: 1, headSize: 32, softcap: 5, spread: 3, layout: branches(33, 40, 47) },
  'branches, head 256': { lengths: [100], heads: 1, kvHeads: 1, headSize: 256, layout: branches(31, 33, 36) },
  'branches, full': { lengths: [100, 1], heads: 1, kvHeads: 1, headSize: 130, causal: false, layout: branches(31, 33, 36) },
  'an order of contents, and queries': { lengths: [150, 3, 33], heads: 2, kvHeads: 1, headSize: 16, rotary: true, layout: permutation },
  'hidden here and there': { lengths: [140, 2], heads: 2, kvHeads: 1, headSize: 12, layout: scattered },
  'hidden here and there, window, full': {
    lengths: [140],
    heads: 1,
    kvHeads: 1,
    headSize: 12,
    window: 60,
    causal: false,
    layout: scattered,
  },
  'many queries on one key head': { lengths: [20, 21], heads: 9, kvHeads: 1, headSize: 12, spread: 2 },
};

function problemOf(c: Case, dtype: 'f32' | 'bf16'): Problem {
  const tokens = c.lengths.reduce((a, b) => a + b, 0);
  const round = dtype === 'bf16' ? roundBf16 : (x: Float32Array) => x;
  const made = (width: number, seed: number, scale = 1) => round(numbers(tokens * width * c.headSize, seed, scale));
  const angles = Array.from(
    { length: (tokens * c.headSize) / 2 },
    (_, i) => Math.floor(i / (c.headSize / 2)) * 100 ** (-(i % (c.headSize / 2)) / c.headSize),
  );
  return {
    ...{ causal: true, window: 0, softcap: 0, scale: 1 / Math.sqrt(c.headSize) },
    ...c,
    ...{ q: made(c.heads, 1, c.spread), k: made(c.kvHeads, 2, c.spread), v: made(c.kvHeads, 3), dout: made(c.heads, 4) },
    ...laidOut(c),
    ...(c.rotary ? { cos: Float32Array.from(angles, Math.cos), sin: Float32Array.from(angles, Math.sin) } : {}),
  };
}

/** Problem, exact answer, and the answer of plain arithmetic in that type: computed once for all variants. */
const solved = new Map<string, { p: Problem; exact: Answer; plain: Answer }>();
function solve(name: string, dtype: 'f32' | 'bf16') {
  const key = `${dtype} ${name}`;
  const p = problemOf(cases[name] as Case, dtype);
  const known = solved.get(key) ?? { p, exact: attentionInDouble(p), plain: attentionInDouble(p, PLAIN[dtype]) };
  solved.set(key, known);
  return known;
}

const startsOf = (lengths: number[]) =>
  Int32Array.from(
    [0, ...lengths],
    (
      (sum) => (n: number) =>
        (sum += n)
    )(0),
  );
const argumentsOf = (p: Problem, dtype: 'f32' | 'bf16') =>
  ({ ...p, dtype, sequenceStarts: startsOf(p.lengths) }) as unknown as Parameters<typeof attentionBackward>[0];
const PLAIN = {
  f32: { stored: Math.fround, summed: Math.fround },
  bf16: { stored: (x: number) => roundBf16([x])[0] as number, summed: Math.fround },
};
const RESULTS = ['out', 'dq', 'dk', 'dv'] as const;

const references = new Map<string, ReturnType<typeof attentionBackward>>();
function reference(args: Parameters<typeof attentionBackward>[0]) {
  const known = references.get(args.dtype ?? '') ?? attentionBackward(args, { variant: 'reference', threads: 2 });
  references.set(args.dtype ?? '', known);
  return known;
}

/** The number furthest from the exact one (from 0 where there is none), in units of the root mean square that `compare` takes. */
function worst(values: Float64Array, exact?: Float64Array): number {
  const rms = (exact ?? values).reduce((sum, x) => sum + x * x, 0) / values.length;
  return values.reduce((most, x, i) => Math.max(most, Math.abs(x - (exact?.[i] ?? 0))), 0) / Math.sqrt(rms);
}

/**
 * Rounding a score and `lse` to fp32 moves exp(score - lse), hence all that it weighs, by 2^-24 |lse| each of itself; `plain` keeps no lse.
 */
const ofLse = (lse: Float64Array) => 2 * 2 ** -24 * lse.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** Error as a whole and of the worst number at most `factor` times that of a plain implementation, plus `least` of the size of the numbers (of 1, where the exact answer is zero). */
function agree(got: Float32Array, exact: Float64Array, plain: Float64Array, factor: number, least: number, weights: number, what: string) {
  if (exact.every((x) => Math.abs(x) < 1e-12))
    return compare(
      Float64Array.from(got, (x) => 1 + x / 64),
      Float64Array.from(got, () => 1),
      least,
      what,
    );
  const bound = factor * relativeError(plain, exact) + least;
  expect(relativeError(got, exact), `${what}: relative error`).toBeLessThanOrEqual(bound);
  compare(got, exact, factor * worst(plain, exact) + (least + weights) * worst(exact), what);
}

describe('the double loops of this test', () => {
  it.each(['grouped, rotary', 'soft cap, full, sharp', 'window across blocks'])(
    'have the gradient that finite differences give: %s',
    (name) => {
      const c = cases[name] as Case;
      const p = problemOf({ ...c, lengths: [4, 7], window: c.window ? 3 : 0 }, 'f32');
      const exact = attentionInDouble(p);
      const loss = (changed: Problem) => attentionInDouble(changed).out.reduce((sum, x, i) => sum + x * (p.dout[i] ?? 0), 0);
      for (const [input, gradient] of [
        ['q', exact.dq],
        ['k', exact.dk],
        ['v', exact.dv],
      ] as const) {
        const next = random(11);
        for (let probe = 0; probe < 12; probe++) {
          const i = Math.floor(next() * gradient.length);
          const moved = (by: number) => ({ ...p, [input]: Float64Array.from(p[input], (x, j) => (j === i ? x + by : x)) });
          const slope = (loss(moved(1e-5)) - loss(moved(-1e-5))) / 2e-5;
          expect(Math.abs(slope - (gradient[i] ?? 0)), `d${input}[${i}]: ${gradient[i]}, differences give ${slope}`).toBeLessThan(1e-7);
        }
      }
    },
  );
});

describe.each(kernelVariants('attention'))('attention %s', (variant) => {
  it.each(Object.keys(cases))('f32 errs as plain f32 arithmetic does: %s', (name) => {
    const { p, exact, plain } = solve(name, 'f32');
    const got = attentionBackward(argumentsOf(p, 'f32'), { variant });
    // A sum of d products in fp32 errs by about sqrt(d) roundings, where `plain` rounds once.
    for (const what of RESULTS) agree(got[what], exact[what], plain[what], 4 + Math.sqrt(p.headSize), 1e-7, ofLse(exact.lse), what);
    compare(got.lse, exact.lse, 1e-6, 'lse');
  });

  it.each(Object.keys(cases))('bf16 errs at most twice as much as plain bf16 arithmetic: %s', (name) => {
    const { p, exact, plain } = solve(name, 'bf16');
    const got = attentionBackward(argumentsOf(p, 'bf16'), { variant });
    for (const what of RESULTS) agree(got[what], exact[what], plain[what], 2, 2 ** -12, 0, what);
    compare(got.lse, exact.lse, 0.01, 'lse');
  });

  it.each(['f32', 'bf16'] as const)('%s: same bits alone and packed, with 1 and 2 threads', (dtype) => {
    const c: Case = { lengths: [45, 300, 7], heads: 4, kvHeads: 2, headSize: 16, rotary: true, window: 90 };
    const p = problemOf(c, dtype);
    const packed = attentionBackward(argumentsOf(p, dtype), { variant });
    const threads = attentionBackward(argumentsOf(p, dtype), { variant, threads: 2 });
    for (const what of [...RESULTS, 'lse'] as const) expect(threads[what], what).toEqual(packed[what]);
    const part = (x: ArrayLike<number>, heads: number) => Float32Array.from(x).subarray(45 * heads * 16, 345 * heads * 16);
    const turn = (x?: ArrayLike<number>) => Float32Array.from(x ?? []).subarray(45 * 8, 345 * 8);
    const own = { q: part(p.q, 4), k: part(p.k, 2), v: part(p.v, 2), dout: part(p.dout, 4), cos: turn(p.cos), sin: turn(p.sin) };
    const alone = attentionBackward(argumentsOf({ ...p, ...own, lengths: [300] }, dtype), { variant });
    for (const what of RESULTS) expect(alone[what], what).toEqual(part(packed[what], what === 'dk' || what === 'dv' ? 2 : 4));
  });

  it.skipIf(variant === 'reference').each(['f32', 'bf16'] as const)(
    '%s: a sequence of several tasks a head, like the reference, in any company of threads',
    (dtype) => {
      const args = argumentsOf(problemOf({ lengths: [1060], heads: 2, kvHeads: 1, headSize: 4, window: 300 }, dtype), dtype);
      const expected = reference(args);
      const got = attentionBackward(args, { variant });
      for (const what of RESULTS) expect(relativeError(got[what], expected[what]), what).toBeLessThan(dtype === 'f32' ? 2e-6 : 0.006);
      const shared = attentionBackward(args, { variant, threads: 3 });
      for (const what of [...RESULTS, 'lse'] as const) expect(shared[what], what).toEqual(got[what]);
    },
  );

  it.each(['f32', 'bf16'] as const)('%s: branches of many tasks: same bits with 1 and 3 threads, and what the reference has', (dtype) => {
    const c: Case = { lengths: [1300, 40], heads: 4, kvHeads: 2, headSize: 4, layout: branches(300, 330, 350) };
    const args = argumentsOf(problemOf(c, dtype), dtype);
    const got = attentionBackward(args, { variant });
    const shared = attentionBackward(args, { variant, threads: 3 });
    const expected = attentionBackward(args, { variant: 'reference', threads: 2 });
    for (const what of RESULTS) {
      expect(shared[what], what).toEqual(got[what]);
      expect(relativeError(got[what], expected[what]), what).toBeLessThan(dtype === 'f32' ? 2e-6 : 0.006);
    }
  });

  it.each(['f32', 'bf16'] as const)('%s: layouts that say nothing leave every bit as it is', (dtype) => {
    const p = problemOf({ lengths: [45, 150], heads: 2, kvHeads: 1, headSize: 16, window: 40 }, dtype);
    const said = { ...p, ...laidOut({ ...p, layout: none }) };
    const [got, plain] = [said, p].map((problem) => attentionBackward(argumentsOf(problem, dtype), { variant }));
    for (const what of RESULTS) expect(got![what], what).toEqual(plain![what]);
  });

  it('shows a number that is not finite in every row that sees it, and in no other sequence', () => {
    const p = problemOf({ lengths: [40, 50, 3], heads: 2, kvHeads: 1, headSize: 8 }, 'f32');
    for (const input of ['q', 'k', 'v'] as const) {
      const spoilt = Float32Array.from(p[input]);
      spoilt[60 * (spoilt.length / 93)] = Number.NaN;
      for (const dtype of ['f32', 'bf16'] as const) {
        const { out } = attentionBackward(argumentsOf({ ...p, [input]: spoilt }, dtype), { variant });
        const rows = Array.from({ length: 93 }, (_, i) => out.subarray(i * 16, i * 16 + 16).some(Number.isNaN));
        expect(rows[60], input).toBe(true);
        if (input !== 'q') expect(rows.slice(60, 90).every(Boolean), input).toBe(true);
        expect(
          rows.some((bad, i) => bad && (i < 40 || i >= 90)),
          input,
        ).toBe(false);
      }
    }
  });

  it.each(['f32', 'bf16'] as const)('%s: an empty batch', (dtype) => {
    const none = new Float32Array(0);
    const got = attentionBackward(
      { heads: 2, kvHeads: 1, headSize: 64, q: none, k: none, v: none, dout: none, sequenceStarts: Int32Array.of(0), dtype },
      { variant, threads: 2 },
    );
    expect([got.out.length, got.lse.length, got.dq.length]).toEqual([0, 0, 0]);
  });
});

describe('attention names what does not fit:', () => {
  const good = {
    heads: 2,
    kvHeads: 1,
    headSize: 4,
    q: new Float32Array(24),
    k: new Float32Array(12),
    v: new Float32Array(12),
    sequenceStarts: Int32Array.of(0, 3),
  };
  it.each([
    [{ kvHeads: 3 }, '[attention] heads: expected a multiple of kvHeads, 3, got 2'],
    [{ headSize: 257 }, '[attention] headSize: expected a whole number from 1 to 256, got 257'],
    [{ q: new Float32Array(25) }, '[attention] q: expected rows of 8, got a Float32Array of 25'],
    [{ k: new Float32Array(11) }, '[attention] k: expected a Float32Array of 12, got Float32Array of 11'],
    [{ sequenceStarts: Int32Array.of(0, 2) }, '[attention] sequenceStarts: expected rising offsets from 0 to the number of tokens, 3'],
    [
      { sequenceStarts: Int32Array.of(0, 2, 2, 3) },
      '[attention] sequenceStarts: expected rising offsets from 0 to the number of tokens, 3',
    ],
    [{ cos: new Float32Array(6) }, '[attention] sin: expected a Float32Array of 6, got undefined'],
    [{ window: -1 }, '[attention] window: expected a whole number from 0 to'],
    [{ scale: 0 }, '[attention] scale: expected a positive number, got 0'],
    [{ positions: Int32Array.of(0, 1, 3) }, '[attention] positions[2]: expected 0 to 2, as its sequence has 3 tokens, got 3'],
    [{ positions: Int32Array.of(0, 1) }, '[attention] positions: expected an Int32Array of 3, got Int32Array of 2'],
    [{ hiddenFrom: new Int32Array(3) }, '[attention] hiddenFrom and hiddenTo: expected both or none'],
    [
      { hiddenFrom: Int32Array.of(0, 0, 1), hiddenTo: Int32Array.of(0, 2, 2) },
      '[attention] hiddenFrom[1] and hiddenTo[1]: a token must see itself, got 0 to 2',
    ],
    [
      { hiddenFrom: Int32Array.of(0, 0, 1), hiddenTo: Int32Array.of(0, 1, 4) },
      '[attention] hiddenFrom[2] and hiddenTo[2]: expected keys of its sequence, tokens 0 to 3, got 1 to 4',
    ],
    [
      { hiddenFrom: Int32Array.of(0, 0, 2), hiddenTo: Int32Array.of(0, 1, 1) },
      '[attention] hiddenFrom[2] and hiddenTo[2]: expected keys of its sequence, tokens 0 to 3, got 2 to 1',
    ],
    [{ softcap: -1 }, '[attention] softcap: expected a positive number, got -1'],
  ])('%j', (wrong, message) => {
    expect(() => attention({ ...good, ...wrong })).toThrow(message);
  });
});
