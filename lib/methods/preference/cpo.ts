/**
 * Contrastive preference optimisation (Xu et al. 2024, "Contrastive preference optimization: pushing the boundaries of LLM performance in machine
 * translation"): dpo with a uniform reference, and the chosen answers' likelihood beside it.
 *
 *     z = l_w - l_l      sigmoid: -(1 - ε) log σ(β z) - ε log σ(-β z)      hinge: max(0, 1 - β z)      ipo: (z - 1 / (2 β))²      + sftWeight × NLL(y_w)
 *
 * l is the sum of log π(y_t) over an answer's tokens, for ipo the mean; ε label smoothing.
 */
import * as z from 'zod';
import type { Method, SequenceInput } from '../method.js';
import { smoothed } from './dpo_losses.js';
import { beta, noise, sftWeight } from './fields.js';
import { referenceFreeLoss } from './reference_free.js';

const cpoKeys = z.strictObject({
  name: z.literal('cpo'),
  beta: beta(0.1, 'Scale of the difference of log-probabilities.'),
  loss: z.enum(['sigmoid', 'hinge', 'ipo']).default('sigmoid').describe('The loss of a pair; ipo takes means a token.'),
  labelSmoothing: noise,
  sftWeight: sftWeight(1),
});

function checkCpo({ loss, labelSmoothing }: z.output<typeof cpoKeys>, context: z.RefinementCtx): void {
  if (labelSmoothing === 0 || loss === 'sigmoid') return;
  context.addIssue({
    code: 'custom',
    path: ['labelSmoothing'],
    message: `method.labelSmoothing has no effect on ${loss}; it is read by sigmoid`,
  });
}

export const cpoOptions = cpoKeys.superRefine(checkCpo);

type CpoOptions = z.output<typeof cpoOptions>;

export const cpo: Method<CpoOptions, SequenceInput> = {
  name: 'cpo',
  summary:
    'Learns from pairs without a reference, and the chosen answers themselves beside it: for translation and other tasks with near-perfect answers.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers' },
  options: cpoOptions,
  outputs: () => [],
  divisor: ({ pairs }) => pairs,
  loss: (input, options) => {
    const pair = (chosen: number, rejected: number) => {
      const [value, slope] = LOSSES[options.loss](chosen - rejected, options);
      return [value, slope, -slope] as const;
    };
    return referenceFreeLoss(input, { mean: options.loss === 'ipo', beta: options.beta, likelihood: options.sftWeight, pair });
  },
};

/** Loss of z, and its derivative. */
const LOSSES: Record<CpoOptions['loss'], (z: number, options: CpoOptions) => [number, number]> = {
  sigmoid: (z, { beta, labelSmoothing }) => {
    const [value, slope] = smoothed(beta * z, labelSmoothing);
    return [value, beta * slope];
  },
  hinge: (z, { beta }) => (beta * z < 1 ? [1 - beta * z, -beta] : [0, 0]),
  ipo: (z, { beta }) => [(z - 0.5 / beta) ** 2, 2 * (z - 0.5 / beta)],
};
