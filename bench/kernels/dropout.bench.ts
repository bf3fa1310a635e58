import { dropout } from '../../lib/kernels/index.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const [M, columns] = [2048, 576];

export const cases: BenchCase[] = (['f32', 'bf16'] as const).map((dtype) => ({
  kernel: 'dropout',
  shape: `${M} x ${columns}`,
  dtype,
  bytes: 2 * M * columns * (dtype === 'f32' ? 4 : 2),
  prepare: () => {
    const args = { x: uniform(M * columns, 1), columns, p: 0.1, rowKeys: Int32Array.from({ length: M }, (_, i) => i), key: 1, dtype };
    return { run: (variant, threads, repeat) => secondsOf(dropout({ ...args, repeat }, { variant, threads })) };
  },
}));
