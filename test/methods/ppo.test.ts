// PPO's parts against closed forms: advantages, whitening, clipping, the KL and its coefficient.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generalisedAdvantages } from '../../lib/methods/rollout/advantages.js';
import { klOf, nextCoefficient } from '../../lib/methods/rollout/kl.js';
import { clippedRatio } from '../../lib/methods/rollout/rollouts.js';
import { meanOf, varianceOf, whitened } from '../../lib/methods/statistics.js';
import { layout, lossOf, optionsOf } from './step.js';

const real = fc.double({ min: -3, max: 3, noNaN: true });
const answer = fc.array(fc.tuple(real, real), { minLength: 1, maxLength: 12 });
const doubles = (values: readonly number[]) => Float64Array.from(values);
const near = (got: number, wanted: number, bound = 1e-9) =>
  expect(Math.abs(got - wanted), `${got}, not ${wanted}`).toBeLessThanOrEqual(bound);

describe('advantages', () => {
  const [first, second] = [
    (tokens: [number, number][]) => doubles(tokens.map(([r]) => r)),
    (tokens: [number, number][]) => doubles(tokens.map(([, v]) => v)),
  ];

  it('λ = 1: what was earned from here on, less the value', () => {
    fc.assert(
      fc.property(answer, fc.double({ min: 0, max: 1, noNaN: true }), (tokens, gamma) => {
        const [r, v] = [first(tokens), second(tokens)];
        generalisedAdvantages(r, v, gamma, 1).forEach((one, t) => {
          const earned = Array.from(r.slice(t), (reward, k) => gamma ** k * reward).reduce((sum, part) => sum + part, 0);
          near(one, earned - v[t]!);
        });
      }),
    );
  });

  it('λ = 0: one step ahead, and nothing after the last token', () => {
    fc.assert(
      fc.property(answer, (tokens) => {
        const [r, v] = [first(tokens), second(tokens)];
        for (const [t, one] of generalisedAdvantages(r, v, 0.9, 0).entries()) near(one, r[t]! + 0.9 * (v[t + 1] ?? 0) - v[t]!);
      }),
    );
  });

  it('are 0 where the values were right', () => {
    const right = generalisedAdvantages(doubles([0, 0, 0, 2]), [2, 2, 2, 2], 1, 0.95);
    for (const one of right) near(one, 0);
    expect(generalisedAdvantages(doubles([]), [], 1, 1)).toHaveLength(0);
  });
});

describe('whitening', () => {
  it('brings mean 0 and variance 1, or keeps the mean', () => {
    fc.assert(
      fc.property(fc.array(real, { minLength: 3, maxLength: 40 }), (values) => {
        fc.pre(varianceOf(doubles(values)) > 0.01);
        const [moved, kept] = [whitened(doubles(values)), whitened(doubles(values), true)];
        near(meanOf(moved), 0);
        near(varianceOf(moved), 1, 2e-6); // 1e-8 is added to the variance, here above 0.01
        near(meanOf(kept), meanOf(doubles(values)));
        near(varianceOf(kept), 1, 2e-6);
      }),
    );
  });

  it('of one figure or of equal ones is 0', () => {
    expect([...whitened(doubles([5]))]).toEqual([0]);
    expect([...whitened(doubles([3, 3, 3]))]).toEqual([0, 0, 0]);
    expect([...whitened(doubles([]))]).toEqual([]);
  });
});

describe('the clipped ratio', () => {
  it.each([
    // ratio, advantage, loss, slope, clipped
    [1.1, 2, -2.2, -2, false],
    [1.5, 2, -2.4, 0, true], // good, and gone far enough
    [1.5, -2, 3, 2, false], // bad, and gone the wrong way: nothing holds it back
    [0.5, -2, 1.6, 0, true],
    [0.5, 2, -1, -2, false],
    [1.2, 1, -1.2, -1, false],
    [1, 0, -0, -0, false],
  ])('ratio %f with advantage %f', (ratio, advantage, loss, slope, clipped) => {
    const found = clippedRatio(ratio, advantage, 0.8, 1.2);
    near(found.loss, loss);
    near(found.slope, slope);
    expect(found.clipped).toBe(clipped);
  });
});

describe('the value', () => {
  it.each([
    // value, before, goal, loss, slope
    [0.1, 0, 1, 0.405, -0.9], // inside the bound
    [0.5, 0, 1, 0.32, 0], // beyond it and nearer: held at 0.2
    [-0.5, 0, 1, 1.125, -1.5], // beyond it and farther: pulled back
  ])('%f from %f with goal %f', (value, old, returns, loss, slope) => {
    const columns = {
      ...layout([[0]], [0]),
      old: doubles([0]),
      oldValue: doubles([old]),
      advantage: doubles([0]),
      returns: doubles([returns]),
    };
    const found = lossOf('ppo', optionsOf('ppo', { valueWeight: 0.5 }), columns, { logprob: doubles([0]), value: doubles([value]) });
    near(found.metrics.valueLoss!, loss);
    near(found.loss, 0.5 * loss);
    near(found.gradient.value![0]!, 0.5 * slope, 1e-7);
  });
});

describe('the KL', () => {
  const logits = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 4, maxLength: 4 });
  const logs = (z: number[]) => z.map((one) => one - Math.log(z.reduce((sum, other) => sum + Math.exp(other), 0)));

  it('is what both estimators have as their mean over the policy', () => {
    fc.assert(
      fc.property(logits, logits, (a, b) => {
        const [p, q] = [logs(a), logs(b)];
        const kl = p.reduce((sum, log, v) => sum + Math.exp(log) * (log - q[v]!), 0);
        for (const estimator of ['k1', 'k3'] as const)
          near(
            p.reduce((sum, log, v) => sum + Math.exp(log) * klOf(estimator, log, q[v]!), 0),
            kl,
          );
        for (const [v, log] of p.entries()) expect(klOf('k3', log, q[v]!)).toBeGreaterThanOrEqual(0);
      }),
    );
    expect(klOf('k1', -1, -1)).toBe(0);
    expect(klOf('k3', -1, -1)).toBe(0);
  });

  it('moves its coefficient towards the target, by a fifth of the gain at most', () => {
    expect(nextCoefficient(0.1, 0.02, 0.02, 0.1)).toBe(0.1);
    near(nextCoefficient(0.1, 0.022, 0.02, 0.1), 0.1 * 1.01);
    near(nextCoefficient(0.1, 5, 0.02, 0.1), 0.1 * 1.02);
    near(nextCoefficient(0.1, -5, 0.02, 0.1), 0.1 * 0.98);
  });
});
