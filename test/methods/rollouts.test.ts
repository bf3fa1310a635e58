// What grpo and rloo make of rewards, and which answers each update takes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../lib/data/order/random.js';
import { updates } from '../../lib/methods/index.js';
import { groupAdvantages, leaveOneOut } from '../../lib/methods/rollout/advantages.js';
import { meanOf, varianceOf } from '../../lib/methods/statistics.js';
import { layout, optionsOf, runStep } from './step.js';

const doubles = (values: readonly number[]) => Float64Array.from(values);
const near = (got: number, wanted: number, bound = 1e-9) =>
  expect(Math.abs(got - wanted), `${got}, not ${wanted}`).toBeLessThanOrEqual(bound);
const groups = fc.array(fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 2, maxLength: 5 }), {
  minLength: 1,
  maxLength: 5,
});
const laid = (rows: number[][]) => [doubles(rows.flat()), Int32Array.from(rows.flatMap((row, g) => row.map(() => g)))] as const;

describe('advantages', () => {
  it('have mean 0 in each group, and deviation 1 where they are scaled by it', () => {
    fc.assert(
      fc.property(groups, (rows) => {
        const scaled = groupAdvantages(...laid(rows), 'group');
        let at = 0;
        for (const row of rows) {
          const own = scaled.slice(at, at + row.length);
          const deviation = Math.sqrt(varianceOf(doubles(row)));
          near(meanOf(own), 0);
          near(Math.sqrt(varianceOf(own)), deviation / (deviation + 1e-4));
          at += row.length;
        }
      }),
    );
  });

  it('are the reward less the mean of the others (rloo), and sum to 0', () => {
    fc.assert(
      fc.property(groups, (rows) => {
        const found = leaveOneOut(...laid(rows));
        let at = 0;
        for (const row of rows) {
          for (const [n, one] of row.entries()) near(found[at + n]!, one - meanOf(doubles(row.filter((_, other) => other !== n))));
          at += row.length;
        }
      }),
    );
  });

  it('are 0 where all answers got the same, or there is one', () => {
    for (const scale of ['group', 'batch', 'none'] as const)
      expect([...groupAdvantages(...laid([[0.5, 0.5, 0.5], [1]]), scale)]).toEqual([0, 0, 0, 0]);
    expect([...leaveOneOut(...laid([[0.5, 0.5], [1]]))]).toEqual([0, 0, 0]);
  });
});

describe('answers used once', () => {
  const rows = [[-1, -2], [-1], [-3, -1, -2], [-0.5]];
  const columns = {
    ...layout(rows, [0, 0, 1, 1]),
    reference: doubles(rows.flat()),
    reward: doubles([1, 0, 0.5, 0.5]),
    stopped: doubles([1, 1, 1, 0]),
  };
  const outputs = { logprob: doubles(rows.flat()), entropy: new Float64Array(7).fill(2) };

  it.each(['dapo', 'grpo', 'drGrpo', 'cispo'])('grpo, %s: each token is moved by its advantage, nothing is clipped', (loss) => {
    const options = optionsOf('grpo', { loss, scaleRewards: 'none', maxNewTokens: 10, ...(loss === 'cispo' ? { clipHigh: 5 } : {}) });
    const { gradient, metrics } = runStep('grpo', options, { columns, outputs });
    const weight = { dapo: () => 1 / 7, cispo: () => 1 / 7, grpo: (length: number) => 1 / (4 * length), drGrpo: () => 1 / 40 }[loss]!;
    const advantages = [0.5, -0.5, 0, 0];
    rows.forEach((row, s) => {
      for (const one of gradient.logprob![s]!) near(one, -advantages[s]! * weight(row.length), 1e-7);
    });
    expect(metrics).toMatchObject({
      clipFraction: 0,
      entropy: 2,
      reward: 0.5,
      equalShare: 0.5,
      stoppedShare: 0.75,
      completionLength: 1.75,
    });
  });

  it('grpo shows the KL to the reference, where it has one', () => {
    expect(runStep('grpo', optionsOf('grpo', { beta: 0.1 }), { columns, outputs }).metrics.kl).toBe(0);
    const { reference: _, ...without } = columns;
    expect(runStep('grpo', optionsOf('grpo'), { columns: without, outputs }).metrics).not.toHaveProperty('kl');
  });

  it('rloo: the KL of an answer is taken off its reward', () => {
    const farther = { ...columns, reference: columns.reference.map((one, t) => (t === 0 ? one - 2 : one)) };
    const { columns: made, metrics } = runStep('rloo', optionsOf('rloo', { beta: 0.25 }), { columns: farther, outputs });
    expect([...made.advantage!]).toEqual([0.5, 0.5, -0.5, 0, 0, 0, 0]);
    near(metrics.kl!, 2 / 7);
  });
});

describe('updates of a step', () => {
  const sizes = fc.record({
    answers: fc.integer({ min: 0, max: 20 }),
    epochs: fc.integer({ min: 1, max: 3 }),
    minibatches: fc.integer({ min: 1, max: 6 }),
  });

  it('take every answer once in each epoch, in parts that differ by one at most', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ({ answers, epochs, minibatches }, seed) => {
        const found = updates(answers, epochs, minibatches, new Random(seed));
        const count = Math.min(minibatches, Math.max(1, answers));
        expect(found).toHaveLength(epochs * count);
        for (let epoch = 0; epoch < epochs; epoch++) {
          const own = found.slice(epoch * count, (epoch + 1) * count);
          expect(own.flatMap((part) => [...part]).sort((a, b) => a - b)).toEqual(Array.from({ length: answers }, (_, n) => n));
          const lengths = own.map((part) => part.length);
          expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('come in another order with another seed, and the same with the same', () => {
    const order = (seed: number) => updates(12, 2, 3, new Random(seed)).map((part) => [...part]);
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    expect(updates(3, 2, 1, new Random(1)).map((part) => [...part])).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });
});
