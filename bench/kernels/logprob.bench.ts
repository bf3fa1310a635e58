import { logprob, logprobBackward } from '../../lib/kernels/index.js';
import { random, relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const SHAPES = [
  { R: 2048, V: 49_152, H: 576 },
  { R: 512, V: 32_000, H: 2048 },
  { R: 32, V: 49_152, H: 576 },
];
/** Rows on which errors are measured and the reference is timed (its time is then scaled up): double sums take minutes for all. */
const JUDGED = 4;

function data({ R, V, H }: (typeof SHAPES)[number], dtype: 'f32' | 'bf16') {
  const next = random(3);
  const weight = uniform(V * H, 2).map((x) => (4 * x) / Math.sqrt(H));
  return {
    hidden: uniform(R * H, 1),
    weight,
    targets: Int32Array.from({ length: R }, () => Math.floor(next() * V)),
    vocabulary: V,
    columns: H,
    dtype,
  };
}
const rowsOf = (args: ReturnType<typeof data>) => ({
  ...args,
  hidden: args.hidden.slice(0, JUDGED * args.columns),
  targets: args.targets.slice(0, JUDGED),
});

export const cases: BenchCase[] = SHAPES.flatMap((shape) =>
  (['f32', 'bf16'] as const).flatMap((dtype) => {
    const { R, V, H } = shape;
    const common = { shape: `${R} x ${V} x ${H}`, dtype };
    return [
      {
        ...common,
        kernel: 'logprob',
        flops: 2 * R * V * H,
        prepare: () => {
          const args = data(shape, dtype);
          const few = rowsOf(args);
          return {
            run: (variant, threads, repeat) =>
              variant === 'reference'
                ? secondsOf(logprob({ ...few, repeat: 1 }, { variant, threads })) * (R / JUDGED)
                : secondsOf(logprob({ ...args, repeat }, { variant, threads })),
            error: (variant) => relativeError(logprob(few, { variant }).logprob, logprob(few, { variant: 'reference' }).logprob),
          };
        },
      },
      {
        ...common,
        kernel: 'logprob_backward',
        flops: 4 * R * V * H,
        prepare: () => {
          const args = data(shape, dtype);
          const { lse } = logprob(args);
          const whole = { ...args, lse, g: uniform(R, 4) };
          const few = { ...rowsOf(args), lse: lse.slice(0, JUDGED), g: whole.g.slice(0, JUDGED) };
          return {
            run: (variant, threads, repeat) =>
              variant === 'reference'
                ? secondsOf(logprobBackward({ ...few, repeat: 1 }, { variant, threads })) * (R / JUDGED)
                : secondsOf(logprobBackward({ ...whole, repeat }, { variant, threads })),
            error: (variant) =>
              relativeError(logprobBackward(few, { variant }).dhidden, logprobBackward(few, { variant: 'reference' }).dhidden),
          };
        },
      },
    ] satisfies BenchCase[];
  }),
);
