// What a distillation asks beside logprob.bench.ts: of the student the log-probabilities of 64 ids a row, there and back, of the teacher the 64 likeliest.
// 256 rows: beside them stands the same call without ids.
import { logprob, logprobBackward } from '../../lib/kernels/index.js';
import type { Variant } from '../../lib/native.js';
import { random, relativeError } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const [R, V, H, K] = [256, 49_152, 576, 64];
/** Rows on which errors are measured: double sums take minutes for all. */
const JUDGED = 2;
type DType = 'f32' | 'bf16';
type What = 'none' | 'ids' | 'top';

const shape = (what: What, rest = '') => `${R} x ${V} x ${H}${what === 'none' ? '' : `, ${what} ${K}`}${rest}`;

function data(dtype: DType) {
  const next = random(3);
  const ids = (n: number) => Int32Array.from({ length: n }, () => Math.floor(next() * V));
  const weight = uniform(V * H, 2).map((x) => (4 * x) / Math.sqrt(H));
  return { args: { hidden: uniform(R * H, 1), weight, targets: ids(R), vocabulary: V, columns: H, dtype }, candidates: ids(R * K) };
}
const few = ({ args, candidates }: ReturnType<typeof data>) => ({
  ...args,
  hidden: args.hidden.slice(0, JUDGED * H),
  targets: args.targets.slice(0, JUDGED),
  candidates: candidates.slice(0, JUDGED * K),
});

function forward(dtype: DType, what: What): BenchCase {
  const prepare = () => {
    const all = data(dtype);
    const inputs = { ...all.args, ...(what === 'ids' && { candidates: all.candidates }), ...(what === 'top' && { topK: K }) };
    const judged = (variant: Variant) => {
      const { candidates, topLogprob } = logprob({ ...few(all), topK: K }, { variant });
      return (what === 'ids' ? candidates : topLogprob)!;
    };
    return {
      run: (variant: Variant, threads: number, repeat: number) => secondsOf(logprob({ ...inputs, repeat }, { variant, threads })),
      ...(what !== 'none' && { error: (variant: Variant) => relativeError(judged(variant), judged('reference')) }),
    };
  };
  return { kernel: 'logprob', shape: shape(what), dtype, flops: (what === 'top' ? 4 : 2) * R * V * H, prepare };
}

function backward(dtype: DType, what: 'none' | 'ids', dweight: boolean): BenchCase {
  const prepare = () => {
    const all = data(dtype);
    const { lse, candidates: candidateLogprob } = logprob({ ...all.args, candidates: all.candidates });
    const ids = { candidates: all.candidates, candidateLogprob: candidateLogprob!, gCandidates: uniform(R * K, 5) };
    const inputs = { ...all.args, lse, g: uniform(R, 4), dweight, ...(what === 'ids' && ids) };
    const [n, m] = [JUDGED, JUDGED * K];
    const some = { candidateLogprob: ids.candidateLogprob.slice(0, m), gCandidates: ids.gCandidates.slice(0, m) };
    const judged = (variant: Variant) =>
      logprobBackward({ ...few(all), ...some, lse: lse.slice(0, n), g: inputs.g.slice(0, n) }, { variant }).dhidden;
    return {
      run: (variant: Variant, threads: number, repeat: number) => secondsOf(logprobBackward({ ...inputs, repeat }, { variant, threads })),
      ...(what === 'ids' && { error: (variant: Variant) => relativeError(judged(variant), judged('reference')) }),
    };
  };
  return { kernel: 'logprob_backward', shape: shape(what, dweight ? ', dw' : ''), dtype, flops: (dweight ? 8 : 4) * R * V * H, prepare };
}

export const cases: BenchCase[] = (['f32', 'bf16'] as const).flatMap((dtype) => [
  ...(['none', 'ids', 'top'] as const).map((what) => forward(dtype, what)),
  ...[false, true].flatMap((dweight) => (['none', 'ids'] as const).map((what) => backward(dtype, what, dweight))),
]);
