import { type SampleArguments, sample } from '../../lib/kernels/index.js';
import { numbers } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf } from '../cases.js';

const OPTIONS: Record<string, Partial<SampleArguments>> = {
  greedy: { temperature: 0 },
  plain: {},
  'top-k 50': { topK: 50 },
  'top-p 0.9': { topP: 0.9 },
};

export const cases: BenchCase[] = [49_152, 128_256].flatMap((V) =>
  Object.entries(OPTIONS).map(([name, options]) => ({
    kernel: 'sample',
    shape: `${V} ${name}`,
    dtype: 'f32',
    bytes: 4 * V,
    prepare: () => {
      const args = { logits: numbers(V, 1, 3), unit: 0.5, ...options };
      return { run: (_variant, _threads, repeat) => secondsOf(sample({ ...args, repeat })) };
    },
  })),
);
