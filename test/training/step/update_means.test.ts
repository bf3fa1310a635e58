// Figures of a step with several updates: with a policy that stands still they are those of one update over all answers, however uneven the updates.
import { describe, expect, it } from 'vitest';
import type { MethodName } from '../../../lib/methods/index.js';
import { metricSums, part, stepCounts } from '../../../lib/methods/index.js';
import { updateMeans } from '../../../lib/training/rollout/step.js';
import { flat, layout, methodOf, optionsOf, prepareStep, type StepInput } from '../../methods/step.js';

const rows = [[-1.5], [-0.2, -1, -0.7, -2, -0.1], [-3, -0.4], [-0.9, -0.3, -0.8], [-1.1]];
const of = (value: (s: number, t: number) => number) => flat(rows.map((row, s) => row.map((_, t) => value(s, t))));
const step: StepInput = {
  columns: {
    ...layout(rows, [0, 0, 1, 1, 1]),
    reward: Float64Array.of(1, -0.5, 0.25, 2, 0),
    stopped: Float64Array.of(1, 1, 0, 1, 1),
    reference: of((s, t) => -1 - 0.1 * s - 0.05 * t),
  },
  outputs: { logprob: flat(rows), value: of((s) => 0.1 * s), entropy: of((s, t) => 1 + s + t) },
};
const METHODS: [MethodName, object][] = [
  ['ppo', {}],
  ['rloo', { minibatches: 2 }],
  ...['dapo', 'grpo', 'drGrpo', 'bnpo'].map((loss): [MethodName, object] => ['grpo', { loss, minibatches: 2, beta: 0.1 }]),
  ['grpo', { loss: 'cispo', clipHigh: 5, minibatches: 2 }],
];

describe('updates of one answer and of four', () => {
  it.each(METHODS)('count by their size: %s %j', (name, given) => {
    const [method, options] = [methodOf(name), optionsOf(name, given)];
    const { columns } = prepareStep(name, options, step);
    const updated = (answers: number[]) => {
      const own = part(columns, answers);
      const counts = stepCounts(own);
      const divisor = method.divisor(counts);
      const pick = (values: ArrayLike<number>) =>
        flat(answers.map((s) => Array.from(values).slice(columns.sequenceStarts[s], columns.sequenceStarts[s + 1])));
      const outputs = Object.fromEntries(Object.entries(step.outputs).map(([key, values]) => [key, pick(values)]));
      const { lossSum, metrics } = method.loss({ ...own, ...(outputs as StepInput['outputs']), counts, divisor }, options);
      const size = method.size?.(counts, options) ?? divisor;
      return { loss: lossSum / divisor, gradientNorm: 1, size, sums: metricSums([{ metrics }]) };
    };
    const [whole, parts] = [updateMeans([updated([0, 1, 2, 3, 4])]), updateMeans([updated([1]), updated([0, 2, 3, 4])])];
    const near = (got: number, wanted: number) => expect(Math.abs(got - wanted)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(wanted)));
    near(parts.loss, whole.loss);
    near(parts.gradientNorm, 1);
    expect(Object.keys(parts.metrics)).toEqual(Object.keys(whole.metrics));
    for (const [metric, value] of Object.entries(whole.metrics)) near(parts.metrics[metric] as number, value);
  });
});
