/**
 * REINFORCE leave-one-out (Kool et al. 2019; Ahmadian et al. 2024, "Back to basics"): an answer's advantage is its reward less the mean of the other
 * answers to the same prompt; the KL to the reference is taken off the reward.
 *
 *     R = reward - β Σ_t (log π_old - log π_ref)      A_i = R_i - mean of R_j, j ≠ i      loss = max(-A ρ, -A clip(ρ, 1 ± clip))
 *
 * ρ = e^(Σ log π - Σ log π_old) is the ratio of whole answers. The step's loss is the mean over its answers. Used once, answers have ρ = 1.
 */
import * as z from 'zod';
import { addToTokens, answerSums, divided } from '../answers.js';
import type { Numbers } from '../columns.js';
import type { LossOutput, Method, Prepared, With } from '../method.js';
import { reference } from '../preference/fields.js';
import { sumOf } from '../statistics.js';
import { leaveOneOut } from './advantages.js';
import { beta, checkReference, clip, reuse, rewards, samplesPerPrompt, sampling } from './fields.js';
import { clippedRatio, entropyMetric, type Rollouts, rolloutMetrics, toTokens, usedAgain } from './rollouts.js';

export const rlooOptions = z
  .strictObject({
    name: z.literal('rloo'),
    rewards,
    samplesPerPrompt: samplesPerPrompt(4),
    ...sampling,
    ...reuse(1),
    beta: beta(0.05),
    clip,
    reference,
  })
  .superRefine(checkReference);

export type RlooOptions = z.output<typeof rlooOptions>;

type Input = With<'advantage'>;

export const rloo: Method<RlooOptions, Input, Rollouts> = {
  name: 'rloo',
  summary: 'Learns from several of its own answers to each prompt, each measured against the others: the plainest method with a reward.',
  needs: { rows: ['prompts'], trained: 'answers', rollouts: true },
  options: rlooOptions,
  outputs: () => ['entropy'],
  temperature: ({ temperature }) => temperature,
  columns: ({ beta }) => (beta > 0 ? ['reference', 'reward', 'stopped'] : ['reward', 'stopped']),
  looksAhead: (options) => options.beta > 0 || usedAgain(options),
  prepare,
  divisor: ({ sequences }) => sequences,
  loss,
};

function prepare(step: Rollouts, options: RlooOptions): Prepared {
  const { beta } = options;
  const kl = beta > 0 ? logRatios(step.logprob, step.reference!) : undefined;
  const perAnswer = kl === undefined ? undefined : answerSums({ sequenceStarts: step.sequenceStarts }, kl);
  const reward = Float64Array.from(step.reward, (one, s) => one - beta * (perAnswer?.[s] ?? 0));
  const old = usedAgain(options) ? { old: step.logprob } : {};
  const advantage = toTokens(step, leaveOneOut(reward, step.group));
  return { columns: { advantage, ...old }, metrics: { ...rolloutMetrics(step), ...(kl && { kl: { sum: sumOf(kl), count: kl.length } }) } };
}

const logRatios = (a: Numbers, b: Numbers) => Float64Array.from(a, (one, t) => one - b[t]!);

function loss(input: Input, { clip }: RlooOptions): LossOutput {
  const { logprob, old = logprob, advantage, sequenceStarts, divisor } = input;
  const logRatio = answerSums({ sequenceStarts }, logRatios(logprob, old));
  let [lossSum, clipped] = [0, 0];
  const bySum = logRatio.map((one, s) => {
    if (sequenceStarts[s] === sequenceStarts[s + 1]) return 0;
    const ratio = Math.exp(one);
    const answer = clippedRatio(ratio, advantage[sequenceStarts[s]!]!, 1 - clip, 1 + clip);
    lossSum += answer.loss;
    clipped += answer.clipped ? 1 : 0;
    return answer.slope * ratio;
  });
  const byToken = new Float64Array(logprob.length);
  addToTokens(byToken, { sequenceStarts }, bySum);
  const metrics = {
    clipFraction: { sum: clipped, count: logRatio.length },
    ...entropyMetric(input),
  };
  return { lossSum, gradient: { logprob: divided(byToken, divisor) }, metrics };
}
