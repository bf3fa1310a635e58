import { contract, type MatmulArguments, matmul } from '../../lib/kernels/index.js';
import { relativeError, roundBf16 } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

/** Linear layers of SmolLM2-135M and wider ones; generation's single row. */
const SHAPES = [
  { m: 2048, n: 576, k: 576 },
  { m: 2048, n: 1536, k: 576 },
  { m: 2048, n: 576, k: 1536 },
  { m: 2048, n: 2048, k: 2048 },
  { m: 1, n: 2048, k: 2048 },
];
const DTYPES = ['f32', 'bf16'] as const;

/** Numbers as the kernel holds them, so that its error is its own. */
const held = (dtype: 'f32' | 'bf16', n: number, seed: number) => (dtype === 'bf16' ? roundBf16(uniform(n, seed)) : uniform(n, seed));

/** Reference sums in double cost minutes at these sizes: errors are taken on the first rows. */
const few = ({ m, ...rest }: MatmulArguments, rows: number): MatmulArguments => ({
  ...rest,
  m: Math.min(m, rows),
  a: rest.a.slice(0, Math.min(m, rows) * (rest.transposed ? rest.n : rest.k)),
});

function product(args: Omit<MatmulArguments, 'a' | 'w'>): BenchCase {
  const { m, n, k, dtype = 'f32', transposed } = args;
  return {
    kernel: 'matmul',
    shape: `${m} x ${n} x ${k}${transposed ? ', transposed' : ''}`,
    dtype,
    flops: 2 * m * n * k,
    prepare: () => {
      const all = { ...args, a: held(dtype, m * (transposed ? n : k), 1), w: held(dtype, n * k, 2) };
      return {
        run: (variant, threads, repeat) => secondsOf(matmul({ ...all, repeat }, { variant, threads })),
        error: (variant) =>
          relativeError(matmul(few(all, 4), { variant }).c, matmul({ ...few(all, 4), dtype: 'f32' }, { variant: 'reference' }).c),
      };
    },
  };
}

const CONTRACTIONS = [
  { m: 2048, r: 32, k: 576 },
  { m: 2048, r: 576, k: 1536 },
];

function contraction(dtype: 'f32' | 'bf16', { m, r, k }: (typeof CONTRACTIONS)[number]): BenchCase {
  return {
    kernel: 'matmul_contract',
    shape: `${m} x ${r} x ${k}`,
    dtype,
    flops: 2 * m * r * k,
    prepare: () => {
      const args = { m, r, k, dtype, left: uniform(m * r, 1), right: uniform(m * k, 2) };
      return { run: (variant, threads, repeat) => secondsOf(contract({ ...args, taskBlocks: 9, repeat }, { variant, threads })) };
    },
  };
}

export const cases: BenchCase[] = DTYPES.flatMap((dtype) => [
  ...SHAPES.map((shape) => product({ ...shape, dtype })),
  ...SHAPES.filter(({ m }) => m > 1).map((shape) => product({ ...shape, dtype, transposed: true })),
  ...CONTRACTIONS.map((shape) => contraction(dtype, shape)),
]);
