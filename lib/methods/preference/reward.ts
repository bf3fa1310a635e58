/**
 * Reward model (Bradley and Terry 1952; Ouyang et al. 2022, "Training language models to follow instructions with human feedback"): a scalar head on
 * the end token scores an answer, and the better answer is to score higher.
 *
 *     pairs: -log σ(s_w - s_l - m) + c (s_w + s_l)²
 *
 * s score; m margin of the pair, from the rows (Touvron et al. 2023); c `centering`, which holds scores near 0 (Eisenstein et al. 2023). A ranking of K
 * answers is K (K - 1) / 2 pairs, or with `ranking: plackettLuce` one term for the whole order (`plackett_luce.ts`). The step's loss is the mean over
 * its pairs or rankings. Scores are normalised after training, with the constants of `scoreConstants`.
 */
import * as z from 'zod';
import { divided } from '../answers.js';
import type { LossOutput, Method, With } from '../method.js';
import { logSigmoid, sigmoid } from './logistic.js';
import { comparisons, pairMetrics } from './pairs.js';
import { plackettLuce } from './plackett_luce.js';

export const rewardOptions = z.strictObject({
  name: z.literal('reward'),
  centering: z.number().min(0).default(0).describe('Weight of (sum of the two scores)², which holds scores near 0; 0.01 is usual.'),
  ranking: z
    .enum(['pairs', 'plackettLuce'])
    .default('pairs')
    .describe('What a ranking becomes: all its pairs, or one term for the whole order (Plackett-Luce).'),
  normalize: z
    .boolean()
    .default(true)
    .describe('Whether users of the model get scores of mean 0 and deviation 1 over the training answers (reward.json).'),
});

type RewardOptions = z.output<typeof rewardOptions>;

type Input = With<'score'>;

export const reward: Method<RewardOptions, Input> = {
  name: 'reward',
  summary: 'Learns to score answers as people do, from pairs or rankings: the judge for ppo, grpo and rloo.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers', scores: true },
  options: rewardOptions,
  comparable: () => 'early',
  rankings: ({ ranking }) => (ranking === 'plackettLuce' ? 'whole' : 'pairs'),
  scoreConstants: (scores, { normalize }) => {
    const { mean, std } = scoreConstants(scores);
    return normalize && std > 0 ? { mean, std } : { mean: 0, std: 1 };
  },
  outputs: () => ['score'],
  columns: () => ['margin'],
  divisor: ({ pairs }) => Math.max(1, pairs),
  loss,
};

function loss(input: Input, options: RewardOptions): LossOutput {
  const score = Float64Array.from(input.score);
  const byScore = new Float64Array(score.length);
  const isPairs = options.ranking === 'pairs';
  const add = isPairs ? bradleyTerry : plackettLuce;
  // The divisor counts pairs; the mean of whole orders is over rankings.
  const scale = isPairs ? 1 : input.divisor / input.counts.groups;
  const lossSum = scale * add(input, score, options.centering, byScore);
  const gradient = { logprob: new Float32Array(input.logprob.length), score: divided(byScore, input.divisor / scale) };
  return { lossSum, gradient, metrics: pairMetrics(comparisons(input), score) };
}

/** Adds the derivatives (S) -> the sum over pairs. */
function bradleyTerry(input: Input, score: Float64Array, centering: number, byScore: Float64Array): number {
  const { better, worse } = comparisons(input);
  let sum = 0;
  better.forEach((s, k) => {
    const other = worse[k]!;
    const [ahead, both] = [score[s]! - score[other]! - (input.margin?.[s] ?? 0), score[s]! + score[other]!];
    sum += -logSigmoid(ahead) + centering * both * both;
    byScore[s]! += 2 * centering * both - sigmoid(-ahead);
    byScore[other]! += 2 * centering * both + sigmoid(-ahead);
  });
  return sum;
}

/** What brings scores to mean 0 and deviation 1: mean and standard deviation (divisor n) of the scores of a reference set. */
export function scoreConstants(scores: ArrayLike<number>): { mean: number; std: number } {
  const all = Array.from(scores);
  const mean = all.reduce((sum, one) => sum + one, 0) / all.length;
  return { mean, std: Math.sqrt(all.reduce((sum, one) => sum + (one - mean) ** 2, 0) / all.length) };
}
