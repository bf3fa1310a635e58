// What a distillation asks beside logprob.bench.ts: of the student the log-probabilities of 64 ids a row, there and back, of the teacher the 64 likeliest.
import { logprob, logprobBackward } from '../../lib/kernels/index.js';
import type { Variant } from '../../lib/native.js';
import { random } from '../../test/kernels/harness.js';
import { type BenchCase, secondsOf, uniform } from '../cases.js';

const [R, V, H, K] = [512, 49_152, 576, 64];
type DType = 'f32' | 'bf16';

function data(dtype: DType) {
  const next = random(3);
  const ids = (n: number) => Int32Array.from({ length: n }, () => Math.floor(next() * V));
  const weight = uniform(V * H, 2).map((x) => (4 * x) / Math.sqrt(H));
  return { args: { hidden: uniform(R * H, 1), weight, targets: ids(R), vocabulary: V, columns: H, dtype }, candidates: ids(R * K) };
}

function forward(dtype: DType, what: 'ids' | 'top'): BenchCase {
  const prepare = () => {
    const { args, candidates } = data(dtype);
    const inputs = { ...args, ...(what === 'ids' ? { candidates } : { topK: K }) };
    return { run: (variant: Variant, threads: number, repeat: number) => secondsOf(logprob({ ...inputs, repeat }, { variant, threads })) };
  };
  return { kernel: 'logprob', shape: `${R} x ${V} x ${H}, ${what} ${K}`, dtype, flops: (what === 'ids' ? 2 : 4) * R * V * H, prepare };
}

function backward(dtype: DType): BenchCase {
  const prepare = () => {
    const { args, candidates } = data(dtype);
    const { lse, candidates: candidateLogprob } = logprob({ ...args, candidates });
    const gradients = { g: uniform(R, 4), gCandidates: uniform(R * K, 5) };
    const inputs = { ...args, candidates, lse, candidateLogprob: candidateLogprob!, ...gradients };
    return {
      run: (variant: Variant, threads: number, repeat: number) => secondsOf(logprobBackward({ ...inputs, repeat }, { variant, threads })),
    };
  };
  return { kernel: 'logprob_backward', shape: `${R} x ${V} x ${H}, ids ${K}`, dtype, flops: 4 * R * V * H, prepare };
}

export const cases: BenchCase[] = (['f32', 'bf16'] as const).flatMap((dtype) => [
  forward(dtype, 'ids'),
  backward(dtype),
  forward(dtype, 'top'),
]);
