/**
 * Group relative policy optimisation (Shao et al. 2024, "DeepSeekMath"): several answers to each prompt are compared with each other, so that no value
 * head is needed. A is an answer's advantage in its group (`advantages.ts`), the same for all its tokens.
 *
 *     token loss = max(-A ρ, -A clip(ρ, 1 - clip, 1 + clipHigh)) + β k3 ρ      ρ_t = π(y_t) / π_old(y_t)
 *
 * `importance: sequence` (Zheng et al. 2025, GSPO): one ρ an answer, e^(mean of log ρ_t). `cispo` (Chen et al. 2025, MiniMax-M1): -[min(ρ, clipHigh)] A
 * log π, with [·] held fixed. k3 estimates the KL to the reference; its factor ρ, differentiated too, corrects for answers of an older policy.
 * Averages over a step: dapo (Yu et al. 2025), bnpo and cispo over all tokens, which is the same for the first two where one divisor belongs to the step;
 * grpo over the means of the answers; drGrpo (Liu et al. 2025) over answers × maxNewTokens. Used once, answers have ρ = 1 and `old` is left out.
 */
import * as z from 'zod';
import { answerLengths, answerMeans, divided } from '../answers.js';
import type { LossOutput, Method, Metric, Prepared, With } from '../method.js';
import { reference } from '../preference/fields.js';
import { sumOf } from '../statistics.js';
import { groupAdvantages } from './advantages.js';
import { beta, checkReference, clip, reuse, rewards, samplesPerPrompt, sampling } from './fields.js';
import { klOf } from './kl.js';
import { clippedRatio, entropyMetric, type Rollouts, rolloutMetrics, toTokens, usedAgain } from './rollouts.js';

const grpoKeys = z.strictObject({
  name: z.literal('grpo'),
  rewards,
  samplesPerPrompt: samplesPerPrompt(8),
  ...sampling,
  ...reuse(1),
  clip,
  clipHigh: z
    .number()
    .gt(0)
    .optional()
    .describe('Upper bound of the ratio above 1 where it is not clip; for cispo the bound itself. Default: clip.'),
  beta: beta(0),
  scaleRewards: z
    .enum(['group', 'batch', 'none'])
    .default('group')
    .describe('Advantages are divided by the rewards’ deviation in the group, in the step, or not.'),
  loss: z
    .enum(['dapo', 'grpo', 'drGrpo', 'bnpo', 'cispo'])
    .default('dapo')
    .describe('What is averaged: all tokens (dapo, bnpo, cispo), each answer first (grpo), or all over maxNewTokens (drGrpo).'),
  importance: z.enum(['token', 'sequence']).default('token').describe('Ratio of each token, or of the whole answer (GSPO).'),
  reference,
});

function checkGrpo({ loss, clipHigh }: z.output<typeof grpoKeys>, context: z.RefinementCtx): void {
  if (loss !== 'cispo' || (clipHigh ?? 0) > 1) return;
  const came = clipHigh === undefined ? 'is missing' : `is ${clipHigh}`;
  const message = `method.clipHigh ${came}: cispo cuts ratios at clipHigh itself, which must be above 1; 5 is usual`;
  context.addIssue({ code: 'custom', path: ['clipHigh'], message });
}

export const grpoOptions = grpoKeys.superRefine(checkGrpo).superRefine(checkReference);

export type GrpoOptions = z.output<typeof grpoOptions>;

type Input = With<'advantage'>;

export const grpo: Method<GrpoOptions, Input, Rollouts> = {
  name: 'grpo',
  summary:
    'Learns from several of its own answers to each prompt by what a judge or a program says of them: for tasks that can be checked.',
  needs: { rows: ['prompts'], trained: 'answers', rollouts: true },
  options: grpoOptions,
  outputs: () => ['entropy'],
  temperature: ({ temperature }) => temperature,
  columns: ({ beta }) => (beta > 0 ? ['reference', 'reward', 'stopped'] : ['reward', 'stopped']),
  looksAhead: usedAgain,
  prepare,
  divisor: ({ trainedTokens }) => trainedTokens,
  size: ({ trainedTokens, sequences }, { loss: kind }) => (kind === 'grpo' || kind === 'drGrpo' ? sequences : trainedTokens),
  loss,
};

function prepare(step: Rollouts, options: GrpoOptions): Prepared {
  const advantages = groupAdvantages(Float64Array.from(step.reward), step.group, options.scaleRewards);
  const old = usedAgain(options) ? { old: step.logprob } : {};
  return { columns: { advantage: toTokens(step, advantages), ...old }, metrics: rolloutMetrics(step) };
}

function loss(input: Input, options: GrpoOptions): LossOutput {
  const { logprob, sequenceStarts, divisor } = input;
  const [byLogprob, lengths] = [new Float64Array(logprob.length), answerLengths(input)];
  const logRatio = logRatios(input, options.importance);
  let [lossSum, clipped] = [0, 0];
  for (let s = 0; s < lengths.length; s++) {
    const weight = weightOf(options, input, lengths[s]!);
    let byAnswer = 0;
    for (let t = sequenceStarts[s]!; t < sequenceStarts[s + 1]!; t++) {
      const one = tokenLoss(input, t, Math.exp(logRatio[t]!), options);
      lossSum += weight * one.loss;
      clipped += one.clipped ? 1 : 0;
      byLogprob[t]! += weight * (one.byLogprob + (options.importance === 'token' ? one.byRatio : 0));
      byAnswer += weight * one.byRatio;
    }
    // One ratio an answer: e^(mean of log ρ_t) moves with each of its tokens alike.
    if (options.importance === 'sequence')
      for (let t = sequenceStarts[s]!; t < sequenceStarts[s + 1]!; t++) byLogprob[t]! += byAnswer / lengths[s]!;
  }
  return { lossSum, gradient: { logprob: divided(byLogprob, divisor) }, metrics: metricsOf(input, clipped) };
}

/** Of a token of an answer of `length`: the step is divided by its tokens, some averages are not. */
function weightOf({ loss, maxNewTokens }: GrpoOptions, { counts, divisor }: Input, length: number): number {
  if (loss === 'grpo') return divisor / (counts.sequences * length);
  return loss === 'drGrpo' ? divisor / (counts.sequences * maxNewTokens) : 1;
}

/** (N) log ρ of each token. */
function logRatios(input: Input, importance: GrpoOptions['importance']): Float64Array {
  const { logprob, old = logprob } = input;
  const each = Float64Array.from(logprob, (one, t) => one - old[t]!);
  return importance === 'token' ? each : toTokens(input, answerMeans({ sequenceStarts: input.sequenceStarts }, each));
}

interface TokenLoss {
  loss: number;
  /** Derivative by log π(y_t) with ρ held fixed, and by log ρ. */
  byLogprob: number;
  byRatio: number;
  clipped: boolean;
}

function tokenLoss({ logprob, advantage, reference }: Input, t: number, ratio: number, options: GrpoOptions): TokenLoss {
  const A = advantage[t]!;
  const policy = options.loss === 'cispo' ? cispo(logprob[t]!, A, ratio, options) : surrogate(A, ratio, options);
  if (options.beta === 0 || reference === undefined) return policy;
  const k3 = klOf('k3', logprob[t]!, reference[t]!);
  const slope = -Math.expm1(reference[t]! - logprob[t]!);
  return {
    loss: policy.loss + options.beta * k3 * ratio,
    byLogprob: policy.byLogprob + options.beta * slope * ratio,
    byRatio: policy.byRatio + options.beta * k3 * ratio,
    clipped: policy.clipped,
  };
}

function surrogate(A: number, ratio: number, { clip, clipHigh = clip }: GrpoOptions): TokenLoss {
  const { loss, slope, clipped } = clippedRatio(ratio, A, 1 - clip, 1 + clipHigh);
  return { loss, byLogprob: 0, byRatio: slope * ratio, clipped };
}

function cispo(logprob: number, A: number, ratio: number, { clip, clipHigh = clip }: GrpoOptions): TokenLoss {
  const weight = Math.min(ratio, clipHigh);
  return { loss: -weight * A * logprob, byLogprob: -weight * A, byRatio: 0, clipped: ratio > clipHigh && A > 0 };
}

/** `kl` is the mean of k3 a token between the policy that wrote the answers and the reference. */
function metricsOf(input: Input, clipped: number): Record<string, Metric> {
  const { logprob, old = logprob, reference } = input;
  const count = logprob.length;
  const kl = reference && Float64Array.from(old, (one, t) => klOf('k3', one, reference[t]!));
  return {
    clipFraction: { sum: clipped, count },
    ...(kl && { kl: { sum: sumOf(kl), count } }),
    ...entropyMetric(input),
  };
}
