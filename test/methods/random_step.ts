/** Random steps for every method, with uneven and empty answers, ties and equal rewards among them. */
import fc from 'fast-check';
import type { MethodName } from '../../lib/methods/index.js';
import { flat, layout, type StepInput } from './step.js';

export interface RandomStep extends StepInput {
  name: MethodName;
  options: Record<string, unknown>;
}

/** Methods that work on sequences, each with the options that change its formula. */
export const VARIANTS: readonly (readonly [MethodName, Record<string, unknown>])[] = [
  ...['sigmoid', 'hinge', 'ipo', 'nca', 'bco', 'sppo', 'aot', 'aotUnpaired', 'apoZero', 'apoDown', 'discopop', 'sigmoidNorm', 'sft'].map(
    (loss) => ['dpo', { loss, beta: 0.5, ldAlpha: 0.5 }] as const,
  ),
  ...['exo', 'robust', 'aot'].map((loss) => ['dpo', { loss, labelSmoothing: 0.2 }] as const),
  ...['forwardKl', 'jsDivergence', 'alphaDivergence'].map((divergence) => ['dpo', { divergence, loss: ['sigmoid', 'ipo'] }] as const),
  ['dpo', { loss: ['aot', 'aotUnpaired', 'sft'], lossWeights: [1, 0.5, 2] }],
  ['kto', { kl: 'step', desirableWeight: 1.3 }],
  ['kto', { kl: 'batch' }],
  ['orpo', { likelihood: 'response' }],
  ['orpo', { likelihood: 'full' }],
  ['simpo', { sftWeight: 0.3 }],
  ['cpo', { loss: 'sigmoid', labelSmoothing: 0.1 }],
  ['cpo', { loss: 'hinge' }],
  ['cpo', { loss: 'ipo' }],
  ['reward', { centering: 0.1 }],
  ['reward', { ranking: 'plackettLuce', centering: 0.1 }],
  ['ppo', { kl: { coefficient: 0.3, estimator: 'k3' }, whitenRewards: true, missingStopPenalty: 0.5, lambda: 0.9, gamma: 0.95 }],
  ...['dapo', 'grpo', 'drGrpo', 'bnpo'].flatMap((loss) =>
    ['token', 'sequence'].map((importance) => ['grpo', { loss, importance, epochs: 2, beta: 0.1 }] as const),
  ),
  ['grpo', { loss: 'dapo', beta: 0.1 }],
  ['grpo', { loss: 'cispo', clipHigh: 1.2, epochs: 2, beta: 0.1, scaleRewards: 'batch' }],
  ['rloo', { epochs: 2 }],
  ['rloo', {}],
  ['distill', { beta: 0 }],
  ['distill', { beta: 0.4 }],
  ['distill', { beta: 1 }],
];

const real = (low: number, high: number) => fc.double({ min: low, max: high, noNaN: true });

/** One row of a step: its sequences' lengths, and a stream of figures to draw from. */
const row = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 4 }),
  figures: fc.array(real(0, 1), { minLength: 17, maxLength: 17 }),
});

/** Sequences that each row of a method has. */
const SIZES: Partial<Record<MethodName, number>> = { kto: 1, distill: 1, ppo: 3, grpo: 3, rloo: 3 };

/** A step of one to six rows. */
export function randomStep(name: MethodName, options: Record<string, unknown>): fc.Arbitrary<RandomStep> {
  const size = options.ranking === 'plackettLuce' ? 4 : (SIZES[name] ?? 2);
  return fc.array(row, { minLength: 1, maxLength: 6 }).map((rows) => built(name, options, rows, size));
}

type Drawn = { lengths: number[]; figures: number[] };

function built(name: MethodName, options: Record<string, unknown>, rows: readonly Drawn[], size: number): RandomStep {
  const lengths = rows.flatMap((one) => (name === 'reward' ? new Array(size).fill(0) : one.lengths.slice(0, size)));
  const draw = stream(rows.flatMap(({ figures }) => figures));
  const tokens = (low: number, high: number, width = 1) =>
    flat(lengths.map((length) => Array.from({ length: length * width }, () => draw(low, high))));
  const each = (low: number, high: number) => Float64Array.from(lengths, () => draw(low, high));
  const logprob = tokens(-4, -0.1);
  const near = (by: number) => logprob.map((one) => Math.min(-0.01, one + draw(-by, by)));
  const columns = {
    ...layout(
      lengths.map((length) => new Array(length).fill(0)),
      rows.flatMap((_, g) => new Array(size).fill(g)),
    ),
    reference: near(0.6),
    label: each(0, 1).map(Math.round),
    margin: each(0, 1),
    mismatch: each(-0.5, 1),
    reward: each(-1, 1).map((one) => Math.round(2 * one) / 2),
    stopped: each(0, 1).map(Math.round),
    teacher: tokens(-4, -1.5, 3),
    ...(options.likelihood === 'full'
      ? { promptTokens: Int32Array.from(lengths, (length) => Math.min(length - 1, Math.floor(draw(0, 3)))) }
      : {}),
    ...(size === 4 ? { rank: Float64Array.from(lengths, (_, s) => [1, 2, 2, 4][s % 4]!) } : {}),
  };
  const now = { logprob, entropy: tokens(0, 3), value: tokens(-1, 1), score: each(-2, 2), candidates: tokens(-4, -1.5, 3) };
  return {
    name,
    options,
    columns,
    outputs: now,
    ahead: { ...now, logprob: near(0.3), value: now.value.map((one) => one + draw(-0.4, 0.4)) },
    ...sameAhead(name, now),
  };
}

/** Methods without rollouts look ahead at the very figures of the loss. */
const sameAhead = (name: MethodName, ahead: StepInput['outputs']) => (['ppo', 'grpo', 'rloo'].includes(name) ? {} : { ahead });

/**
 * Figures from 0 to 1 over and over, each moved on by a figure of its place -> figures in a range. However they were drawn, no two sums are alike: where
 * two are, `aot` may pair them either way.
 */
function stream(figures: readonly number[]): (low: number, high: number) => number {
  let at = 0;
  return (low, high) => {
    const scattered = 1 + ((Math.sin(at * 12.9898) * 43758.5453) % 1); // a hash of the place, from graphics
    const unit = (figures[at++ % figures.length]! + scattered) % 1;
    return low + (high - low) * unit;
  };
}
