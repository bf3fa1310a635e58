/** What `ppo`, `grpo` and `rloo` share: figures of a step's answers, the clipped ratio, and which answers each update takes. */
import type { Random } from '../../data/order/random.js';
import { answerLengths } from '../answers.js';
import { type Columns, groupStarts } from '../columns.js';
import type { LossInput, Metric, With } from '../method.js';
import { sumOf, varianceOf } from '../statistics.js';

export type Rollouts = With<'reward' | 'stopped'>;

/** Means over the answers of a step, before the update. */
export function rolloutMetrics({
  reward,
  stopped,
  group,
  ...layout
}: Columns & Pick<Rollouts, 'reward' | 'stopped'>): Record<string, Metric> {
  const count = reward.length;
  const starts = groupStarts(group);
  const groups = Array.from(starts.slice(0, -1), (from, g) => reward.slice(from, starts[g + 1]));
  const compared = groups.filter(({ length }) => length > 1);
  const equal = compared.filter((rewards) => rewards.every((one) => one === rewards[0]));
  return {
    reward: { sum: sumOf(reward), count },
    rewardStd: { sum: Math.sqrt(varianceOf(reward)), count: 1 },
    /** Share of prompts with several answers that all got the same reward, from which nothing is learnt by comparison. */
    equalShare: { sum: equal.length, count: compared.length },
    completionLength: { sum: answerLengths(layout).reduce((sum, length) => sum + length, 0), count },
    stoppedShare: { sum: sumOf(stopped), count },
  };
}

/**
 * -min(ρ A, clip(ρ, low, high) A) (Schulman et al. 2017, PPO), its derivative by ρ, and whether the bound holds the ratio ρ back.
 */
export function clippedRatio(
  ratio: number,
  advantage: number,
  low: number,
  high: number,
): { loss: number; slope: number; clipped: boolean } {
  const bounded = Math.min(high, Math.max(low, ratio));
  const clipped = -bounded * advantage > -ratio * advantage;
  return { loss: -(clipped ? bounded : ratio) * advantage, slope: clipped ? 0 : -advantage, clipped };
}

/** Mean entropy a token, where it was asked for. */
export const entropyMetric = ({ entropy }: Pick<LossInput, 'entropy'>): Record<string, Metric> =>
  entropy === undefined ? {} : { entropy: { sum: sumOf(entropy), count: entropy.length } };

/** Whether answers are used after the policy has moved, so that their old log-probabilities must be kept. */
export const usedAgain = ({ epochs, minibatches }: { epochs: number; minibatches: number }) => epochs * minibatches > 1;

/** (N) from (S): each token of an answer gets the answer's figure. */
export function toTokens({ sequenceStarts }: Pick<Columns, 'sequenceStarts'>, perSequence: Float64Array): Float64Array {
  const tokens = new Float64Array(sequenceStarts.at(-1)!);
  for (let s = 0; s < perSequence.length; s++) tokens.fill(perSequence[s]!, sequenceStarts[s], sequenceStarts[s + 1]);
  return tokens;
}

/**
 * The answers of each update of a step: `epochs` passes over all of them, each in `minibatches` updates of (nearly) as many answers. With one update a
 * pass the order stays as it is; else every pass has another.
 */
export function updates(answers: number, epochs: number, minibatches: number, random: Pick<Random, 'shuffle'>): Int32Array[] {
  const count = Math.min(minibatches, Math.max(1, answers));
  return Array.from({ length: epochs }).flatMap(() => {
    const order = Int32Array.from({ length: answers }, (_, n) => n);
    if (count > 1) random.shuffle(order);
    const at = (n: number) => Math.round((n * answers) / count);
    return Array.from({ length: count }, (_, n) => order.subarray(at(n), at(n + 1)));
  });
}
