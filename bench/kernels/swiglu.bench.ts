import { swiglu, swigluBackward } from '../../lib/kernels/index.js';
import { relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const SHAPES = [{ M: 2048, columns: 1536 }];

function data(M: number, columns: number, activation: 'silu' | 'gelu') {
  const [gate, up, dact] = [1, 2, 3].map((seed) => uniform(M * columns, seed)) as [Float32Array, Float32Array, Float32Array];
  return { gate, up, dact, columns, activation };
}

export const cases: BenchCase[] = SHAPES.flatMap(({ M, columns }) =>
  (['silu', 'gelu'] as const).flatMap((activation) =>
    (['f32', 'bf16'] as const).flatMap((dtype) => {
      const bytes = M * columns * (dtype === 'f32' ? 4 : 2);
      const common = { shape: `${M} x ${columns} ${activation}`, dtype };
      return [
        {
          ...common,
          kernel: 'swiglu',
          bytes: 3 * bytes,
          prepare: () => {
            const args = { ...data(M, columns, activation), dtype };
            return {
              run: (variant, threads, repeat) => secondsOf(swiglu({ ...args, repeat }, { variant, threads })),
              error: (variant) =>
                relativeError(swiglu(args, { variant }).act, swiglu({ ...args, dtype: 'f32' }, { variant: 'reference' }).act),
            };
          },
        },
        {
          ...common,
          kernel: 'swiglu_backward',
          bytes: 6 * bytes,
          prepare: () => {
            const args = { ...data(M, columns, activation), dtype };
            const reference = () => swigluBackward({ ...args, dtype: 'f32' }, { variant: 'reference' }).dgate;
            return {
              run: (variant, threads, repeat) => secondsOf(swigluBackward({ ...args, repeat }, { variant, threads })),
              error: (variant) => relativeError(swigluBackward(args, { variant }).dgate, reference()),
            };
          },
        },
      ] satisfies BenchCase[];
    }),
  ),
);
