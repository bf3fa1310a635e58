/**
 * Distillation (Hinton et al. 2015; Agarwal et al. 2023, "On-policy distillation of language models"): at every trained token the student's distribution
 * q is drawn to the teacher's p. What is compared are the K likeliest tokens of the teacher and, as one more, all the rest: p and q on K + 1 outcomes.
 *
 *     beta 0: KL(p ‖ q)      1: KL(q ‖ p)      between: beta KL(p ‖ m) + (1 - beta) KL(q ‖ m), m = beta p + (1 - beta) q
 *
 * It is never larger than the divergence over the whole vocabulary, and is that with K all of it. Both models' logits are divided by `temperature`. The
 * native side is to give, for K ids a token, their log-probabilities under the student (`candidates`), and to take a derivative by each; the teacher's
 * ids and log-probabilities are the K largest of its own forward pass. The step's loss is the mean over its tokens.
 */
import * as z from 'zod';
import { divided } from '../answers.js';
import type { LossOutput, Method, With } from '../method.js';
import { sumOf } from '../statistics.js';
import { divergence, divergenceSlopes } from './divergence.js';

export const distillOptions = z.strictObject({
  name: z.literal('distill'),
  teacher: z.string().min(1).describe('Folder of the model to learn from; it must have the same vocabulary.'),
  beta: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('0: forward KL, covers all that the teacher says; 1: reverse KL, keeps to its likeliest; between: Jensen-Shannon.'),
  temperature: z.number().gt(0).default(1).describe('Both models’ logits are divided by it; above 1 unlikely tokens count more.'),
  topK: z
    .int()
    .min(1)
    .max(4096)
    .default(64)
    .describe('Likeliest tokens of the teacher that are compared one by one; all others are compared as one.'),
});

type DistillOptions = z.output<typeof distillOptions>;

type Input = With<'teacher' | 'candidates'>;

export const distill: Method<DistillOptions, Input> = {
  name: 'distill',
  summary: 'Learns what a larger model would say, token by token: for a small model of the same vocabulary.',
  needs: { rows: ['text', 'prompt', 'instruction', 'chat'], trained: 'answers' },
  options: distillOptions,
  outputs: () => ['candidates'],
  temperature: ({ temperature }) => temperature,
  columns: () => ['teacher'],
  teacher: ({ teacher, topK, temperature }) => ({ folder: teacher, topK, temperature }),
  comparable: () => 'all',
  divisor: ({ trainedTokens }) => trainedTokens,
  loss,
};

function loss({ logprob, teacher, candidates, divisor }: Input, { beta, temperature }: DistillOptions): LossOutput {
  const count = logprob.length;
  const K = count === 0 ? 0 : teacher.length / count;
  const byCandidate = new Float64Array(candidates.length);
  let lossSum = 0;
  for (let t = 0; t < count; t++) {
    const [p, q] = [withRest(teacher.subarray(t * K, (t + 1) * K)), withRest(candidates.subarray(t * K, (t + 1) * K))];
    lossSum += divergence(p, q, beta);
    const byStudent = divergenceSlopes(p, q, beta);
    // q_k = e^ℓ_k, and the rest is 1 - Σ q_k unless it is held at its least.
    const rest = q.held ? 0 : byStudent[K]!;
    for (let k = 0; k < K; k++) byCandidate[t * K + k] = Math.exp(q.log[k]!) * (byStudent[k]! - rest);
  }
  const gradient = { logprob: new Float32Array(count), candidates: divided(byCandidate, divisor) };
  return { lossSum, gradient, metrics: temperature === 1 ? { nll: { sum: -sumOf(logprob), count } } : {} };
}

/** The rest is at least this: of 1 less a sum in single precision nothing smaller is known. */
const LEAST_REST = 1e-7;

/** log-probabilities of K tokens and of all others together. */
function withRest(log: ArrayLike<number>): { log: Float64Array; held: boolean } {
  const all = new Float64Array(log.length + 1);
  let rest = 1;
  for (let k = 0; k < log.length; k++) {
    all[k] = log[k]!;
    rest -= Math.exp(log[k]!);
  }
  all[log.length] = Math.log(Math.max(LEAST_REST, rest));
  return { log: all, held: rest < LEAST_REST };
}
