import { loraMatmul } from '../../lib/kernels/index.js';
import { relativeError, roundBf16 } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

/** q|k|v, o, gate|up and down of SmolLM2-135M with adapters of rank 16. */
const SHAPES = [
  { name: 'qkv', m: 2048, k: 576, outputs: [576, 192, 192], rank: 16 },
  { name: 'o', m: 2048, k: 576, outputs: [576], rank: 16 },
  { name: 'gate|up', m: 2048, k: 576, outputs: [1536, 1536], rank: 16, gated: true },
  { name: 'down', m: 2048, k: 1536, outputs: [576], rank: 16 },
];

/** Numbers as the kernel holds them, so that its error is its own. */
const held = (dtype: 'f32' | 'bf16', n: number, seed: number) => (dtype === 'bf16' ? roundBf16(uniform(n, seed)) : uniform(n, seed));

function data({ m, k, outputs, rank, gated }: (typeof SHAPES)[number], dtype: 'f32' | 'bf16', backward: boolean) {
  const targets = outputs.map((n, t) => ({
    n,
    rank,
    w: held(dtype, n * k, 3 * t + 1),
    a: held(dtype, rank * k, 3 * t + 2),
    b: held(dtype, n * rank, 3 * t + 3),
  }));
  const outs = outputs.reduce((sum, n) => sum + n, 0);
  return { m, k, gated, dtype, targets, x: held(dtype, m * k, 50), ...(backward ? { dy: held(dtype, m * outs, 51) } : {}) };
}

export const cases: BenchCase[] = SHAPES.flatMap((shape) =>
  (['f32', 'bf16'] as const).flatMap((dtype) =>
    [false, true].map((backward): BenchCase => {
      const { m, k, outputs, rank } = shape;
      const outs = outputs.reduce((sum, n) => sum + n, 0);
      const low = 2 * m * rank * (k * outputs.length + outs);
      return {
        kernel: 'lora_matmul',
        shape: `${shape.name}: ${m} x ${k} to ${outputs.join(' + ')}, rank ${rank}${backward ? ', and back' : ''}`,
        dtype,
        flops: backward ? 4 * m * k * outs + 3 * low : 2 * m * k * outs + low,
        prepare: () => {
          const args = data(shape, dtype, backward);
          const few = { ...args, m: 4, x: args.x.slice(0, 4 * k), dy: args.dy?.slice(0, 4 * outs) };
          return {
            run: (variant, threads, repeat) => secondsOf(loraMatmul({ ...args, repeat }, { variant, threads })),
            error: (variant) =>
              relativeError(loraMatmul(few, { variant }).y, loraMatmul({ ...few, dtype: 'f32' }, { variant: 'reference' }).y),
          };
        },
      };
    }),
  ),
);
