import { layerNorm, layerNormBackward } from '../../lib/kernels/index.js';
import { relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const [M, count] = [2048, 768];

function data(dtype: 'f32' | 'bf16') {
  const [x, dy] = [uniform(M * count, 1), uniform(M * count, 2)];
  const args = { x, weight: uniform(count, 4), dtype };
  const { mean, inverse } = layerNorm(args);
  return { ...args, dy, mean, inverse };
}

export const cases: BenchCase[] = (['f32', 'bf16'] as const).flatMap((dtype) => {
  const bytes = M * count * (dtype === 'f32' ? 4 : 2);
  const common = { shape: `${M} x ${count}`, dtype };
  return [
    {
      ...common,
      kernel: 'layer_norm',
      bytes: 2 * bytes,
      prepare: () => {
        const args = data(dtype);
        return {
          run: (variant, threads, repeat) => secondsOf(layerNorm({ ...args, repeat }, { variant, threads })),
          error: (variant) =>
            relativeError(layerNorm(args, { variant }).y, layerNorm({ ...args, dtype: 'f32' }, { variant: 'reference' }).y),
        };
      },
    },
    {
      ...common,
      kernel: 'layer_norm_backward',
      bytes: 3 * bytes,
      prepare: () => {
        const args = data(dtype);
        const reference = () => layerNormBackward({ ...args, dtype: 'f32' }, { variant: 'reference' }).dx;
        return {
          run: (variant, threads, repeat) => secondsOf(layerNormBackward({ ...args, repeat }, { variant, threads })),
          error: (variant) => relativeError(layerNormBackward(args, { variant }).dx, reference()),
        };
      },
    },
  ] satisfies BenchCase[];
});
