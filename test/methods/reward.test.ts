// Scores of pairs and rankings: Plackett-Luce against Bradley-Terry and against its definition, ties, and the constants that normalise.
import { describe, expect, it } from 'vitest';
import { plackettLuce } from '../../lib/methods/preference/plackett_luce.js';
import { scoreConstants } from '../../lib/methods/preference/reward.js';
import { layout, optionsOf, runStep, type StepInput } from './step.js';

const doubles = (values: readonly number[]) => Float64Array.from(values);
const near = (got: number, wanted: number, bound = 1e-9) =>
  expect(Math.abs(got - wanted), `${got}, not ${wanted}`).toBeLessThanOrEqual(bound);

describe('reward', () => {
  const scored = (score: number[], group: number[], more = {}): StepInput => ({
    columns: {
      ...layout(
        score.map(() => []),
        group,
      ),
      ...more,
    },
    outputs: { logprob: new Float64Array(0), score: doubles(score) },
  });

  it('is the same for two answers as a pair and as a ranking', () => {
    const step = scored([1, -0.5, 0.25, 2], [0, 0, 1, 1], { margin: doubles([0.7, 0, -0.2, 0]) });
    const [pair, order] = ['pairs', 'plackettLuce'].map((ranking) =>
      runStep('reward', optionsOf('reward', { ranking, centering: 0.1 }), step),
    );
    near(order!.loss, pair!.loss);
    for (const [s, [one]] of order!.gradient.score!.entries()) near(one!, pair!.gradient.score![s]![0]!, 1e-8);
    expect(order!.metrics).toEqual(pair!.metrics);
  });

  it('gives the orders of a ranking probabilities that sum to 1', () => {
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    const score = [0.3, -1.2, 0.8];
    const chance = (order: number[]) =>
      Math.exp(-plackettLuce(layout([[], [], []], [0, 0, 0]), doubles(order.map((n) => score[n]!)), 0, new Float64Array(3)));
    near(
      orders.reduce((sum, order) => sum + chance(order), 0),
      1,
    );
  });

  it('compares no ties', () => {
    const step = scored([1, 5, 3], [0, 0, 0], { rank: doubles([1, 2, 2]) });
    const { metrics, gradient } = runStep('reward', optionsOf('reward', { ranking: 'plackettLuce' }), step);
    expect(metrics).toMatchObject({ rewardChosen: 1, rewardRejected: 4, rewardAccuracy: 0 });
    const all = Math.exp(1) + Math.exp(5) + Math.exp(3);
    near(gradient.score![1]![0]!, Math.exp(5) / all, 1e-7);
    near(runStep('reward', optionsOf('reward', { ranking: 'plackettLuce' }), scored([1, 5], [0, 0], { rank: doubles([1, 1]) })).loss, 0);
  });

  it('normalises by mean and deviation of all scores', () => {
    expect(scoreConstants([1, 3])).toEqual({ mean: 2, std: 1 });
    expect(scoreConstants(Float32Array.of(2))).toEqual({ mean: 2, std: 0 });
  });
});
