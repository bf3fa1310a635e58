/**
 * Rewards, advantages and returns of a step's answers for `ppo`, from the policy that wrote them.
 *
 *     r_t = -β kl_t, plus at the last token: reward, less missingStopPenalty where the answer never stopped
 *     A = GAE(r, V)      R = A + V      A whitened over all tokens of the step
 *
 * kl_t from log-probabilities of policy and reference (`kl.ts`). With `whitenRewards` the r_t are brought to deviation 1 first, their mean kept. With a
 * target the coefficient β moves after each step and is remembered in the state. An answer without a token gets nothing.
 */

import type { MethodState, Metric, Prepared, With } from '../method.js';
import { meanOf, sumOf, varianceOf, whitened } from '../statistics.js';
import { generalisedAdvantages } from './advantages.js';
import { klOf, nextCoefficient } from './kl.js';
import type { PpoOptions } from './ppo_options.js';
import { rolloutMetrics } from './rollouts.js';

type Step = With<'reference' | 'value' | 'reward' | 'stopped'>;

export function preparePpo(step: Step, options: PpoOptions, state: MethodState): Prepared {
  const { gamma, lambda, kl, whitenRewards } = options;
  const { sequenceStarts, logprob, value } = step;
  const coefficient = state.klCoefficient ?? kl.coefficient;
  const penalty = Float64Array.from(logprob, (one, t) => klOf(kl.estimator, one, step.reference[t]!));
  const tokenRewards = withEnds(
    step,
    penalty.map((one) => -coefficient * one),
    options.missingStopPenalty,
  );
  const rewards = whitenRewards ? whitened(tokenRewards, true) : tokenRewards;
  const advantage = new Float64Array(logprob.length);
  for (let s = 0; s + 1 < sequenceStarts.length; s++) {
    const [from, to] = [sequenceStarts[s]!, sequenceStarts[s + 1]!];
    advantage.set(generalisedAdvantages(rewards.subarray(from, to), value.subarray(from, to), gamma, lambda), from);
  }
  const returns = advantage.map((one, t) => one + value[t]!);
  const meanKl = meanOf(penalty);
  return {
    columns: { old: logprob, oldValue: value, advantage: whitened(advantage), returns },
    metrics: { ...rolloutMetrics(step), ...figures(penalty, advantage, returns, coefficient) },
    state: { klCoefficient: kl.target === undefined ? coefficient : nextCoefficient(coefficient, meanKl, kl.target, kl.gain) },
  };
}

/** Adds what an answer earned to its last token. */
function withEnds({ sequenceStarts, reward, stopped }: Step, perToken: Float64Array, missingStop: number): Float64Array {
  for (let s = 0; s < reward.length; s++) {
    if (sequenceStarts[s + 1]! === sequenceStarts[s]!) continue;
    perToken[sequenceStarts[s + 1]! - 1]! += reward[s]! - (stopped[s] === 1 ? 0 : missingStop);
  }
  return perToken;
}

/** Explained variance: 1 - Var(R - V) / Var(R), where R - V is the advantage; 0 where all returns are equal. */
function figures(penalty: Float64Array, advantage: Float64Array, returns: Float64Array, coefficient: number): Record<string, Metric> {
  const spread = varianceOf(returns);
  return {
    kl: { sum: sumOf(penalty), count: penalty.length },
    klCoefficient: { sum: coefficient, count: 1 },
    explainedVariance: { sum: spread === 0 ? 0 : 1 - varianceOf(advantage) / spread, count: 1 },
  };
}
