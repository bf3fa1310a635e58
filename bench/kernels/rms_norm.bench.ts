import { rmsNorm, rmsNormBackward } from '../../lib/kernels/index.js';
import { relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const SHAPES = [
  { M: 2048, groups: 1, count: 576 },
  { M: 2048, groups: 1, count: 4096 },
  { M: 2048, groups: 16, count: 128 },
];

/** What both directions need, the inverse among it. */
function data({ M, groups, count }: (typeof SHAPES)[number], dtype: 'f32' | 'bf16') {
  const [x, dy, through] = [1, 2, 3].map((seed) => uniform(M * groups * count, seed)) as [Float32Array, Float32Array, Float32Array];
  const args = { x, weight: uniform(count, 4), groups, dtype };
  return { ...args, dy, through, inverse: rmsNorm(args).inverse };
}

export const cases: BenchCase[] = SHAPES.flatMap((shape) =>
  (['f32', 'bf16'] as const).flatMap((dtype) => {
    const bytes = shape.M * shape.groups * shape.count * (dtype === 'f32' ? 4 : 2);
    const common = { shape: `${shape.M} x ${shape.groups} x ${shape.count}`, dtype };
    return [
      {
        ...common,
        kernel: 'rms_norm',
        bytes: 2 * bytes,
        prepare: () => {
          const args = data(shape, dtype);
          return {
            run: (variant, threads, repeat) => secondsOf(rmsNorm({ ...args, repeat }, { variant, threads })),
            error: (variant) => relativeError(rmsNorm(args, { variant }).y, rmsNorm({ ...args, dtype: 'f32' }, { variant: 'reference' }).y),
          };
        },
      },
      {
        ...common,
        kernel: 'rms_norm_backward',
        bytes: 4 * bytes,
        prepare: () => {
          const args = data(shape, dtype);
          const reference = () => rmsNormBackward({ ...args, dtype: 'f32' }, { variant: 'reference' }).dx;
          return {
            run: (variant, threads, repeat) => secondsOf(rmsNormBackward({ ...args, repeat }, { variant, threads })),
            error: (variant) => relativeError(rmsNormBackward(args, { variant }).dx, reference()),
          };
        },
      },
    ] satisfies BenchCase[];
  }),
);
