import { rotary } from '../../lib/kernels/index.js';
import { relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const SHAPES = [
  { N: 2048, heads: 12, headSize: 64 },
  { N: 2048, heads: 40, headSize: 128 },
];

export const cases: BenchCase[] = SHAPES.flatMap(({ N, heads, headSize }) =>
  (['f32', 'bf16'] as const).map((dtype) => ({
    kernel: 'rotary',
    shape: `${N} x ${heads} x ${headSize}`,
    dtype,
    bytes: 2 * N * heads * headSize * (dtype === 'f32' ? 4 : 2),
    prepare: () => {
      const positions = Int32Array.from({ length: N }, (_, i) => i);
      const args = { x: uniform(N * heads * headSize, 1), positions, heads, headSize, dtype };
      return {
        run: (variant, threads, repeat) => secondsOf(rotary({ ...args, repeat }, { variant, threads })),
        error: (variant) => relativeError(rotary(args, { variant }).x, rotary({ ...args, dtype: 'f32' }, { variant: 'reference' }).x),
      };
    },
  })),
);
