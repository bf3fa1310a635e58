import { attention, attentionBackward, attentionDecode } from '../../lib/kernels/index.js';
import { relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

interface Shape {
  sequences: number;
  tokens: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  window?: number;
  /** Each sequence is a beginning of so many tokens and branches of the given length, which do not see each other. */
  shared?: number;
  branch?: number;
}

const SHAPES: Shape[] = [
  { sequences: 4, tokens: 512, heads: 9, kvHeads: 3, headSize: 64 },
  { sequences: 1, tokens: 2048, heads: 9, kvHeads: 3, headSize: 64 },
  { sequences: 1, tokens: 4096, heads: 8, kvHeads: 8, headSize: 128 },
  { sequences: 1, tokens: 4096, heads: 8, kvHeads: 8, headSize: 128, window: 512 },
  { sequences: 2, tokens: 768, heads: 9, kvHeads: 3, headSize: 64, shared: 256, branch: 64 },
];

/** Start of the branch that token i of a sequence lies in; undefined in the beginning. */
const branchStart = ({ shared = 0, branch = 1 }: Shape, i: number) =>
  shared === 0 || i < shared ? undefined : i - ((i - shared) % branch);

/** Positions, and the branches before each token's own as what it does not see. */
function layout(shape: Shape) {
  if (!shape.shared) return {};
  const { sequences, tokens, shared } = shape;
  const column = (f: (i: number, start: number | undefined) => number, first: (s: number) => number) =>
    Int32Array.from({ length: sequences * tokens }, (_, n) => {
      const i = n % tokens;
      return f(i, branchStart(shape, i)) + first(n - i);
    });
  return {
    positions: column(
      (i, start) => (start === undefined ? i : shared + i - start),
      () => 0,
    ),
    hiddenFrom: column((_, start) => (start === undefined ? 0 : shared), Number),
    hiddenTo: column((_, start) => start ?? 0, Number),
  };
}

const angles = (positions: number[], headSize: number, f: (x: number) => number) =>
  Float32Array.from({ length: (positions.length * headSize) / 2 }, (_, i) => {
    const [row, pair] = [Math.floor(i / (headSize / 2)), i % (headSize / 2)];
    return f((positions[row] ?? 0) * 10000 ** ((-2 * pair) / headSize));
  });

function data(shape: Shape, dtype: 'f32' | 'bf16') {
  const { sequences, tokens, heads, kvHeads, headSize, window = 0 } = shape;
  const N = sequences * tokens;
  const positions = Array.from({ length: N }, (_, i) => i % tokens);
  const sequenceStarts = Int32Array.from({ length: sequences + 1 }, (_, i) => i * tokens);
  const [q, k, v] = [heads, kvHeads, kvHeads].map((h, i) => uniform(N * h * headSize, i + 1)) as [Float32Array, Float32Array, Float32Array];
  const turn = { cos: angles(positions, headSize, Math.cos), sin: angles(positions, headSize, Math.sin) };
  return { q, k, v, dout: uniform(q.length, 4), heads, kvHeads, headSize, sequenceStarts, window, dtype, ...turn, ...layout(shape) };
}

/** Pairs of query and key that see each other, of one head. */
function pairs({ sequences, tokens, window = tokens, shared, branch = 1 }: Shape): number {
  if (shared) return (sequences * (shared * (shared + 1))) / 2 + sequences * (tokens - shared) * (shared + (branch + 1) / 2);
  const full = Math.min(window, tokens);
  return sequences * ((full * (full + 1)) / 2 + (tokens - full) * full);
}

const nameOf = (s: Shape) =>
  `${s.sequences} x ${s.tokens}, ${s.heads}/${s.kvHeads} x ${s.headSize}${s.window ? `, window ${s.window}` : ''}${s.shared ? `, ${s.shared} shared by branches of ${s.branch}` : ''}`;

/** A shorter batch of the same heads, for the error: the reference would take minutes. */
const shorter = (s: Shape): Shape => ({
  ...s,
  sequences: 1,
  tokens: 200,
  ...(s.window ? { window: 100 } : {}),
  ...(s.shared ? { shared: 90 } : {}),
});

function batchCases(shape: Shape, dtype: 'f32' | 'bf16'): BenchCase[] {
  const flops = 4 * pairs(shape) * shape.heads * shape.headSize;
  const common = { shape: nameOf(shape), dtype };
  return [
    {
      ...common,
      kernel: 'attention',
      flops,
      prepare: () => {
        const [args, small] = [data(shape, dtype), data(shorter(shape), dtype)];
        const expected = attention({ ...small, dtype: 'f32' }, { variant: 'reference' }).out;
        return {
          run: (variant, threads, repeat) => secondsOf(attention({ ...args, repeat }, { variant, threads })),
          error: (variant) => relativeError(attention(small, { variant }).out, expected),
        };
      },
    },
    {
      ...common,
      kernel: 'attention_backward',
      flops: 2.5 * flops,
      prepare: () => {
        const [args, small] = [data(shape, dtype), data(shorter(shape), dtype)];
        const expected = attentionBackward({ ...small, dtype: 'f32' }, { variant: 'reference' }).dq;
        return {
          run: (variant, threads, repeat) => secondsOf(attentionBackward({ ...args, repeat }, { variant, threads })),
          error: (variant) => relativeError(attentionBackward(small, { variant }).dq, expected),
        };
      },
    },
  ];
}

/** One token of each of `rows` sequences of `length` tokens. */
function decodeCase(rows: number, length: number, dtype: 'f32' | 'bf16'): BenchCase {
  const [heads, kvHeads, headSize, maxPages] = [9, 3, 64, length / 32];
  const cached = rows * length * kvHeads * headSize;
  return {
    kernel: 'attention_decode',
    shape: `${rows} x ${length}, ${heads}/${kvHeads} x ${headSize}`,
    dtype,
    bytes: 2 * cached * (dtype === 'f32' ? 4 : 2),
    prepare: () => {
      const count = rows * length;
      const tables = {
        slots: Int32Array.from({ length: count }, (_, i) => i),
        pages: Int32Array.from({ length: count / 32 }, (_, i) => i),
      };
      const sizes = { heads, kvHeads, headSize, maxPages, pageCount: count / 32, lengths: new Int32Array(rows).fill(length) };
      const args = { q: uniform(rows * heads * headSize, 1), k: uniform(cached, 2), v: uniform(cached, 3), ...tables, ...sizes, dtype };
      const expected = attentionDecode({ ...args, dtype: 'f32' }, { variant: 'reference' }).out;
      return {
        run: (variant, threads, repeat) => secondsOf(attentionDecode({ ...args, repeat }, { variant, threads })),
        error: (variant) => relativeError(attentionDecode(args, { variant }).out, expected),
      };
    },
  };
}

const DTYPES = ['f32', 'bf16'] as const;
export const cases: BenchCase[] = DTYPES.flatMap((dtype) => [
  ...SHAPES.flatMap((shape) => batchCases(shape, dtype)),
  decodeCase(1, 2048, dtype),
  decodeCase(16, 1024, dtype),
]);
