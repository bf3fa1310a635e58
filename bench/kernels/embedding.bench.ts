import { embedding, embeddingBackward } from '../../lib/kernels/index.js';
import { random } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const [N, V, columns] = [2048, 49_152, 576];

function ids() {
  const next = random(1);
  return Int32Array.from({ length: N }, () => Math.floor(next() * V));
}

export const cases: BenchCase[] = (['f32', 'bf16'] as const).flatMap((dtype) => {
  const bytes = N * columns * (dtype === 'f32' ? 4 : 2);
  const common = { shape: `${N} of ${V} x ${columns}`, dtype };
  return [
    {
      ...common,
      kernel: 'embedding',
      bytes: 2 * bytes,
      prepare: () => {
        const args = { ids: ids(), vocabulary: V, columns, dtype, weight: uniform(V * columns, 1) };
        return { run: (variant, threads, repeat) => secondsOf(embedding({ ...args, repeat }, { variant, threads })) };
      },
    },
    {
      ...common,
      kernel: 'embedding_backward',
      bytes: bytes + 2 * 4 * N * columns,
      prepare: () => {
        const args = { ids: ids(), vocabulary: V, columns, dtype, dx: uniform(N * columns, 1) };
        return { run: (variant, threads, repeat) => secondsOf(embeddingBackward({ ...args, repeat }, { variant, threads })) };
      },
    },
  ] satisfies BenchCase[];
});
