// The corners of the methods for preferences: what a plain case gives, near-certain answers, rows of one kind only, and what is left out.
import { describe, expect, it } from 'vitest';
import type { MethodState } from '../../lib/methods/index.js';
import { DPO_SCORE_LOSSES, type MethodName } from '../../lib/methods/index.js';
import { layout, optionsOf, runStep, type StepInput } from './step.js';

const doubles = (values: readonly number[]) => Float64Array.from(values);
const near = (got: number, wanted: number, bound = 1e-9) =>
  expect(Math.abs(got - wanted), `${got}, not ${wanted}`).toBeLessThanOrEqual(bound);

/** Rows of log-probabilities, two a pair. */
function pairs(rows: number[][], reference = rows): StepInput {
  const columns = {
    ...layout(
      rows,
      rows.map((_, s) => s >> 1),
    ),
    reference: doubles(reference.flat()),
  };
  return { columns, outputs: { logprob: doubles(rows.flat()) } };
}

describe('dpo', () => {
  it('starts at log 2 where policy and reference are one', () => {
    const { loss, metrics, gradient } = runStep('dpo', optionsOf('dpo'), pairs([[-1, -2], [-3], [-1], [-2, -2]]));
    near(loss, Math.LN2);
    expect(metrics).toMatchObject({
      logpChosen: -2,
      logpRejected: -3.5,
      rewardChosen: 0,
      rewardRejected: 0,
      rewardMargin: 0,
      rewardAccuracy: 0,
    });
    for (const [s, row] of gradient.logprob!.entries()) for (const one of row) near(one, (s % 2 === 0 ? -0.05 : 0.05) / 2, 1e-9);
  });

  it('stays finite for answers far off the reference, under every loss and divergence', () => {
    const far = pairs([[-900], [-1], [-1], [-900]], [[-1], [-900], [-900], [-1]]);
    for (const loss of [
      'sigmoid',
      'hinge',
      'ipo',
      'robust',
      'sigmoidNorm',
      'nca',
      'bco',
      'sppo',
      'apoZero',
      'apoDown',
      'aot',
      'aotUnpaired',
      'sft',
    ]) {
      const found = runStep('dpo', optionsOf('dpo', { loss, beta: 0.5 }), far);
      expect([found.loss, ...found.gradient.logprob!.flat()].every(Number.isFinite), loss).toBe(true);
    }
    for (const divergence of ['forwardKl', 'jsDivergence', 'alphaDivergence']) {
      const found = runStep('dpo', optionsOf('dpo', { divergence }), far);
      expect([found.loss, ...found.gradient.logprob!.flat()].every(Number.isFinite), divergence).toBe(true);
    }
  });

  it('adds a list up with its weights', () => {
    const step = pairs([[-1, -2], [-3], [-1], [-2, -2]], [[-1, -1], [-2], [-2], [-3, -2]]);
    const of = (loss: unknown, lossWeights?: number[]) => runStep('dpo', optionsOf('dpo', { loss, lossWeights }), step);
    near(of(['sigmoid', 'sft'], [2, 0.5]).loss, 2 * of('sigmoid').loss + 0.5 * of('sft').loss);
    near(of('sft').metrics.nll!, 4 / 3);
  });
});

/** Sums of sequences that are the same answer in several pairs: sequence s of a ranking stands at every place where `answer` names it. */
function gathered(rows: number[][], answer: readonly number[], count: number): number[][] {
  const sums = Array.from({ length: count }, (_, s) => new Array<number>(rows[answer.indexOf(s)]!.length).fill(0));
  answer.forEach((s, place) => {
    rows[place]!.forEach((value, t) => {
      sums[s]![t]! += value;
    });
  });
  return sums;
}

describe('a ranking is its pairs, in', () => {
  // Two rankings of four and of three, a tie among them, with lengths that make each pair's shorter answer another; and one pair.
  const policy = [[-1, -2, -0.5], [-3], [-1, -1], [-2, -2, -2, -2], [-0.3, -0.1], [-4, -1, -2], [-2], [-1, -0.2], [-0.4]];
  const reference = policy.map((row, s) => row.map((one, t) => one + 0.9 * Math.sin(7 * s + 3 * t)));
  const columns = {
    ...layout(policy, [0, 0, 0, 0, 1, 1, 1, 2, 2]),
    reference: doubles(reference.flat()),
    rank: doubles([0, 1, 1, 2, 0, 1, 2, 0, 1]),
  };
  const ranked: StepInput = { columns, outputs: { logprob: doubles(policy.flat()) } };
  const answer = [0, 1, 0, 2, 0, 3, 1, 3, 2, 3, 4, 5, 4, 6, 5, 6, 7, 8];
  const apart = pairs(
    answer.map((s) => policy[s]!),
    answer.map((s) => reference[s]!),
  );
  const losses = [...DPO_SCORE_LOSSES, 'nca', 'bco', 'sppo', 'aot', 'aotUnpaired', 'apoZero', 'apoDown'] as const;
  const variants: [MethodName, object][] = [
    ...losses.flatMap((loss): [MethodName, object][] => {
      const labelSmoothing = loss === 'exo' ? 0.1 : 0;
      return [1, 0.3].map((ldAlpha) => ['dpo', { loss, beta: 0.4, ldAlpha, labelSmoothing }]);
    }),
    ['dpo', { loss: ['aot', 'aotUnpaired', 'sigmoid'], lossWeights: [1, 0.5, 2] }],
    ['dpo', { divergence: 'forwardKl', ldAlpha: 0.5 }],
    ['simpo', {}],
    ['cpo', { sftWeight: 0 }],
    ['cpo', { sftWeight: 0, loss: 'ipo' }],
  ];

  it.each(variants)('%s %j', (name, given) => {
    const [whole, parts] = [runStep(name, optionsOf(name, given), ranked), runStep(name, optionsOf(name, given), apart)];
    near(whole.loss, parts.loss, 1e-12 * Math.max(1, parts.loss));
    expect(Object.keys(whole.metrics)).toEqual(Object.keys(parts.metrics));
    for (const [metric, value] of Object.entries(parts.metrics)) near(whole.metrics[metric]!, value, 1e-12 * Math.max(1, Math.abs(value)));
    const apartGradient = parts.gradient.logprob!;
    const wanted = gathered(apartGradient, answer, policy.length);
    const sizes = gathered(
      apartGradient.map((row) => row.map(Math.abs)),
      answer,
      policy.length,
    );
    // Each figure that is added up was rounded to single precision, and so was the whole: half a unit each.
    whole.gradient.logprob!.forEach((row, s) => {
      row.forEach((one, t) => {
        near(one, wanted[s]![t]!, 2 ** -24 * (Math.abs(one) + sizes[s]![t]!));
      });
    });
  });

  it('however the step is split', () => {
    const options = optionsOf('dpo', { loss: ['aot', 'aotUnpaired'] });
    const whole = runStep('dpo', options, ranked);
    const split = runStep('dpo', options, ranked, [
      [4, 5, 6],
      [0, 1, 2, 3],
      [7, 8],
    ]);
    near(split.loss, whole.loss, 1e-12);
    expect(split.gradient).toEqual(whole.gradient);
  });
});

describe('orpo', () => {
  it('stays finite where the model is sure of an answer', () => {
    for (const rows of [
      [[0, 0], [-1]],
      [[-1], [0]],
      [[-1e-9], [-1e-9]],
    ]) {
      const { loss, gradient } = runStep('orpo', optionsOf('orpo'), pairs(rows));
      expect([loss, ...gradient.logprob!.flat()].every(Number.isFinite)).toBe(true);
    }
  });
});

describe('kto', () => {
  const step = (label: number[], mismatch = label.map(() => 0)): StepInput => {
    const rows = label.map((_, s) => [-1 - s]);
    const columns = {
      ...layout(
        rows,
        label.map((_, s) => s),
      ),
      reference: doubles(rows.map(() => -2)),
      label: doubles(label),
      mismatch: doubles(mismatch),
    };
    return { columns, outputs: { logprob: doubles(rows.flat()) } };
  };

  it('leaves out what a step of one kind cannot tell', () => {
    const { metrics } = runStep('kto', optionsOf('kto'), step([1, 1]));
    expect(metrics).toHaveProperty('rewardChosen');
    for (const name of ['rewardRejected', 'logpRejected', 'rewardMargin']) expect(metrics).not.toHaveProperty(name);
  });

  it('takes a KL below 0 as 0', () => {
    expect(runStep('kto', optionsOf('kto', { kl: 'batch' }), step([1, 0], [-3, 1])).metrics.kl).toBe(0);
    expect(runStep('kto', optionsOf('kto', { kl: 'batch' }), step([1, 0], [3, 1])).metrics.kl).toBe(2);
  });

  it.each(['step', 'batch'])('never compares a row with itself, kl: %s', (kl) => {
    const of = (state: MethodState) => {
      const { loss, metrics, prepared } = runStep('kto', optionsOf('kto', { kl }), { ...step([1], [5]), state });
      return [loss, metrics.kl, prepared.state];
    };
    // The one answer has log-ratio 1: were z its own, the loss would be 1 / 2 whatever the policy says.
    const from = (z: number) => 1 - 1 / (1 + Math.exp(-0.1 * (1 - z)));
    expect(of({})).toEqual([from(0), 0, { referencePoint: 0 }]);
    expect(of({ referencePoint: 0.25 })).toEqual([from(0.25), 0.25, { referencePoint: 0.25 }]);
  });

  it('remembers its point of reference for a step of one row', () => {
    expect(runStep('kto', optionsOf('kto'), step([1, 0], [3, 1])).prepared.state).toEqual({ referencePoint: 2 });
  });
});
