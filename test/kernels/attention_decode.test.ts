import { describe, expect, it } from 'vitest';
import { attentionDecode, kernelVariants } from '../../lib/kernels/index.js';
import { attentionInDouble, type Problem } from './attention.double.js';
import { compare, numbers, random, relativeError, roundBf16 } from './harness.js';

/** What the cache holds, as one full-attention problem per row: the query is the last token of its sequence. */
interface Case {
  lengths: number[];
  heads: number;
  kvHeads: number;
  headSize: number;
  window?: number;
  softcap?: number;
  rotary?: boolean;
}

const cases: Record<string, Case> = {
  'one token': { lengths: [1], heads: 1, kvHeads: 1, headSize: 8 },
  'ends of pages, grouped': { lengths: [31, 32, 33, 65], heads: 6, kvHeads: 2, headSize: 20, rotary: true },
  'head 64': { lengths: [130, 7], heads: 3, kvHeads: 1, headSize: 64, rotary: true },
  'head 256, window': { lengths: [100, 5], heads: 2, kvHeads: 2, headSize: 256, window: 40 },
  'window at a page edge, soft cap': { lengths: [64, 96], heads: 2, kvHeads: 1, headSize: 16, window: 32, softcap: 3 },
  'many queries on one key head': { lengths: [70], heads: 19, kvHeads: 1, headSize: 128 },
};

const MAX_PAGES = 6;

const solved = new Map<string, ReturnType<typeof make>>();
function problemOf(name: string, dtype: 'f32' | 'bf16') {
  const known = solved.get(name + dtype) ?? make(cases[name] as Case, dtype);
  solved.set(name + dtype, known);
  return known;
}

/** Pages scattered over the cache, slots of every token, and the expected row of each sequence. */
function make(c: Case, dtype: 'f32' | 'bf16') {
  const round = dtype === 'bf16' ? roundBf16 : (x: Float32Array) => x;
  const d = c.headSize;
  const tokens = c.lengths.reduce((a, b) => a + b, 0);
  const [q, k, v] = [c.lengths.length * c.heads, tokens * c.kvHeads, tokens * c.kvHeads].map((n, i) => round(numbers(n * d, i + 1, 1.5)));
  const pageCount = c.lengths.length * MAX_PAGES + 3;
  const next = random(5);
  const order = Array.from({ length: pageCount }, (_, i) => [next(), i] as const).sort(([a], [b]) => a - b);
  const pages = Int32Array.from({ length: c.lengths.length * MAX_PAGES }, (_, i) => order[i]?.[1] ?? 0);
  const places = c.lengths.flatMap((n, row) => Array.from({ length: n }, (_, j) => [row, j] as const));
  const slots = Int32Array.from(places, ([row, j]) => (pages[row * MAX_PAGES + Math.floor(j / 32)] ?? 0) * 32 + (j % 32));
  const angle = (position: number, i: number) => position * 100 ** (-i / d);
  const table = (positions: number[], f: (x: number) => number) =>
    Float32Array.from({ length: (positions.length * d) / 2 }, (_, i) => f(angle(positions[Math.floor(i / (d / 2))] ?? 0, i % (d / 2))));
  const ends = c.lengths.map((n) => n - 1);
  const positions = places.map(([, j]) => j);
  const turn = {
    cos: table(ends, Math.cos),
    sin: table(ends, Math.sin),
    keyCos: table(positions, Math.cos),
    keySin: table(positions, Math.sin),
  };
  const lengths = Int32Array.from(c.lengths);
  const args = { ...c, dtype, q: q!, k: k!, v: v!, pageCount, maxPages: MAX_PAGES, pages, slots, lengths, ...(c.rotary ? turn : {}) };
  return { args, expected: expectedOf(c, args) };
}

/** The last row of the whole sequence's attention, with zeros as the queries before it. */
function expectedOf(
  c: Case,
  args: { q: Float32Array; k: Float32Array; v: Float32Array; keyCos?: Float32Array; keySin?: Float32Array },
): number[] {
  const d = c.headSize;
  let first = 0;
  return c.lengths.flatMap((n, row) => {
    const part = (x: Float32Array, width: number) => x.subarray(first * width, (first + n) * width);
    const q = new Float32Array(n * c.heads * d);
    q.set(args.q.subarray(row * c.heads * d, (row + 1) * c.heads * d), (n - 1) * c.heads * d);
    const [cos, sin] = [args.keyCos && part(args.keyCos, d / 2), args.keySin && part(args.keySin, d / 2)];
    const p: Problem = {
      ...{ ...c, lengths: [n], causal: true, window: c.window ?? 0, softcap: c.softcap ?? 0, scale: 1 / Math.sqrt(d), q },
      ...{ k: part(args.k, c.kvHeads * d), v: part(args.v, c.kvHeads * d), dout: new Float32Array(q.length) },
      ...(cos && sin ? { cos, sin } : {}),
    };
    first += n;
    return Array.from(attentionInDouble(p).out.subarray((n - 1) * c.heads * d));
  });
}

describe.each(kernelVariants('attention_decode'))('attention_decode %s', (variant) => {
  it.each(Object.keys(cases))('f32 equals double loops: %s', (name) => {
    const { args, expected } = problemOf(name, 'f32');
    const { out } = attentionDecode(args, { variant });
    compare(out, expected, 1e-5, name);
    expect(attentionDecode(args, { variant, threads: 2 }).out).toEqual(out);
  });
  it.each(Object.keys(cases))('bf16 keeps to the rounding of its keys and its result: %s', (name) => {
    const { args, expected } = problemOf(name, 'bf16');
    // Rotated keys are rounded once more in the cache: 2^-9 of a score of up to about 5; the result 2^-9.
    expect(relativeError(attentionDecode(args, { variant }).out, expected)).toBeLessThan(0.01);
  });
  it('gives zero for a row of length 0', () => {
    const { args } = problemOf('head 64', 'f32');
    const { out } = attentionDecode({ ...args, lengths: Int32Array.of(0, 7) }, { variant });
    expect(out.subarray(0, 192).every((x) => x === 0)).toBe(true);
    expect(out.subarray(192)).toEqual(attentionDecode(args, { variant }).out.subarray(192));
  });
  it('shows a number that is not finite', () => {
    const { args } = problemOf('head 64', 'f32');
    for (const input of ['q', 'k', 'v'] as const) {
      const spoilt = args[input].slice();
      spoilt[0] = Number.NaN;
      expect(attentionDecode({ ...args, [input]: spoilt }, { variant }).out[0], input).toBeNaN();
    }
  });
});

it('attention_decode takes memory for the pages alone that are named', () => {
  const { args } = problemOf('ends of pages, grouped', 'f32');
  const far = 1 << 20;
  const moved = (places: Int32Array, by: number) => places.map((place) => place + by);
  const last = far - args.pageCount;
  const high = { ...args, pageCount: far, pages: moved(args.pages, last), slots: moved(args.slots, 32 * last) };
  const before = process.memoryUsage.rss();
  expect(attentionDecode(high)).toEqual(attentionDecode(args));
  // 2^20 pages of 32 keys of 2 heads of 64 places in fp32 are 16 GiB, for keys and for values; guards write to all that is made.
  expect(process.memoryUsage.rss() - before).toBeLessThan(256 << 20);
});

it('attention_decode names what does not fit', () => {
  const { args } = problemOf('one token', 'f32');
  expect(() => attentionDecode({ ...args, slots: Int32Array.of(9 * 32) })).toThrow(
    '[attention_decode] slots[0]: expected 0 to 287, got 288',
  );
  // Threads write the new rows side by side: two in one place would leave either.
  const twice = { k: new Float32Array([...args.k, ...args.k]), v: new Float32Array([...args.v, ...args.v]) };
  expect(() => attentionDecode({ ...args, ...twice, slots: Int32Array.of(7, 7) })).toThrow(
    '[attention_decode] slots[1]: expected a place of its own, got 7 of slots[0]',
  );
  expect(() => attentionDecode({ ...args, pages: args.pages.map(() => 9) })).toThrow('[attention_decode] pages[0]: expected 0 to 8, got 9');
  expect(() => attentionDecode({ ...args, lengths: Int32Array.of(193) })).toThrow(
    '[attention_decode] lengths[0]: expected 0 to 192, got 193',
  );
  expect(() => attentionDecode({ ...args, keyCos: new Float32Array(3) })).toThrow(
    '[attention_decode] keyCos: expected a Float32Array of 4, got Float32Array of 3',
  );
});
