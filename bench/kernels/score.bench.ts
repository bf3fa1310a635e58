import { score } from '../../lib/kernels/index.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const [S, H] = [2048, 576];

export const cases: BenchCase[] = (['f32', 'bf16'] as const).map((dtype) => ({
  kernel: 'score',
  shape: `${S} x ${H}`,
  dtype,
  bytes: S * H * (dtype === 'f32' ? 4 : 2),
  prepare: () => {
    const args = { x: uniform(S * H, 1), weight: uniform(H, 2), dtype };
    return { run: (variant, threads, repeat) => secondsOf(score({ ...args, repeat }, { variant, threads })) };
  },
}));
