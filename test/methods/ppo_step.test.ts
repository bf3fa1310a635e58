// What a step's answers come to before PPO's updates: rewards of tokens, returns, whitened advantages, figures, the coefficient of the KL.
import { describe, expect, it } from 'vitest';
import { meanOf, varianceOf } from '../../lib/methods/statistics.js';
import { layout, optionsOf, prepareStep, runStep } from './step.js';

const doubles = (values: readonly number[]) => Float64Array.from(values);
const near = (got: number, wanted: number, bound = 1e-9) =>
  expect(Math.abs(got - wanted), `${got}, not ${wanted}`).toBeLessThanOrEqual(bound);

describe('a step of answers', () => {
  const logprob = doubles([-1, -2, -1, -3, -0.5]);
  const columns = {
    ...layout([[0, 0], [], [0, 0, 0]], [0, 1, 2]), // the second answer has no token
    reference: doubles([-1.5, -2, -1, -2.5, -0.5]),
    reward: doubles([1, 9, -2]),
    stopped: doubles([1, 1, 0]),
  };
  const step = { columns, outputs: { logprob, value: doubles([0.5, 0.25, 0, 0, 1]), entropy: doubles([1, 1, 1, 1, 1]) } };
  const prepared = (options: object, state = {}) =>
    prepareStep('ppo', optionsOf('ppo', { lambda: 1, ...options }), { ...step, state }).prepared;

  it('pays each answer at its last token, less the KL of each, less what a missing stop costs', () => {
    const { columns: made } = prepared({ kl: { coefficient: 0.1 }, missingStopPenalty: 0.5 });
    const wanted = [1 - 0.05, 1, -2.5 + 0.05, -2.5 + 0.05, -2.5];
    for (const [t, one] of made.returns!.entries()) near(one, wanted[t]!);
    expect(made.old).toBe(logprob);
  });

  it('whitens advantages over all tokens of the step', () => {
    const { advantage } = prepared({}).columns;
    near(meanOf(advantage!), 0);
    near(varianceOf(advantage!), 1, 1e-6);
  });

  it('tells what the answers were like', () => {
    const { metrics } = prepared({});
    const means = Object.fromEntries(Object.entries(metrics).map(([name, { sum, count }]) => [name, sum / count]));
    expect(means).toMatchObject({ reward: 8 / 3, completionLength: 5 / 3, stoppedShare: 2 / 3, klCoefficient: 0.05 });
    near(means.kl!, 0); // 0.5 and -0.5
    near(means.rewardStd!, Math.sqrt(varianceOf(columns.reward)));
  });

  it('explains all variance with the right values, none with their mean, and is 0 where nothing varies', () => {
    const explained = (value: number[], reward: number[]) => {
      const other = {
        columns: { ...columns, reference: logprob, reward: doubles(reward) },
        outputs: { ...step.outputs, value: doubles(value) },
      };
      return prepareStep('ppo', optionsOf('ppo', { lambda: 1 }), other).prepared.metrics.explainedVariance!.sum;
    };
    near(explained([1, 1, -2, -2, -2], [1, 9, -2]), 1);
    near(explained([-0.8, -0.8, -0.8, -0.8, -0.8], [1, 9, -2]), 0);
    expect(explained([0, 0, 0, 0, 0], [0, 9, 0])).toBe(0);
  });

  it('remembers a coefficient that follows a target', () => {
    const kl = { coefficient: 0.2, target: 0.1 };
    const first = prepared({ kl });
    near(first.state!.klCoefficient!, 0.2 * 0.98);
    expect(prepared({ kl }, first.state).metrics.klCoefficient!.sum).toBe(first.state!.klCoefficient);
    expect(prepared({ kl: { coefficient: 0.2 } }).state!.klCoefficient).toBe(0.2);
  });

  it('moves towards better answers at once: all ratios are 1 and nothing is clipped', () => {
    const { gradient, metrics, columns: made } = runStep('ppo', optionsOf('ppo'), step);
    expect(metrics.clipFraction).toBe(0);
    for (const [t, one] of gradient.logprob!.flat().entries()) near(one, -made.advantage![t]! / 5, 1e-7);
  });
});
