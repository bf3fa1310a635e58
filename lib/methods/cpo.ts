/**
 * Contrastive preference optimisation (Xu et al. 2024, "Contrastive preference optimization: pushing the boundaries of LLM performance in machine
 * translation"): dpo with a uniform reference, and the chosen answers' likelihood beside it.
 *
 *     z = l_w - l_l      sigmoid: -(1 - ε) log σ(β z) - ε log σ(-β z)      hinge: max(0, 1 - β z)      ipo: (z - 1 / (2 β))²      + sftWeight × NLL(y_w)
 *
 * l is the sum of log π(y_t) over an answer's tokens, for ipo the mean; ε label smoothing.
 */
import { methodOptions, type OptionsOf } from '../options/index.js';
import { smoothed } from './dpo_losses.js';
import type { Method, SequenceInput } from './method.js';
import { referenceFreeLoss } from './reference_free.js';

type CpoOptions = OptionsOf<'cpo'>;

export const cpo: Method<CpoOptions, SequenceInput> = {
  name: 'cpo',
  summary:
    'Learns from pairs without a reference, and the chosen answers themselves beside it: for translation and other tasks with near-perfect answers.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers' },
  options: methodOptions.cpo,
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
