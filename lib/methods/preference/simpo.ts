/**
 * Simple preference optimisation (Meng et al. 2024, "SimPO: simple preference optimization with a reference-free reward"): the reward of an answer is
 * its mean log-probability a token, so that length wins nothing, and the chosen one is to win by a margin.
 *
 *     loss = -log σ(β (l_w - l_l) - γ) + sftWeight × NLL(y_w)      l = mean log π(y_t) over an answer's tokens      γ = β × gammaRatio
 */
import * as z from 'zod';
import type { Method, SequenceInput } from '../method.js';
import { beta, sftWeight } from './fields.js';
import { logSigmoid, sigmoid } from './logistic.js';
import type { PairLoss } from './pairs.js';
import { referenceFreeLoss } from './reference_free.js';

export const simpoOptions = z.strictObject({
  name: z.literal('simpo'),
  beta: beta(2, 'Scale of the reward, the mean log-probability a token.'),
  gammaRatio: z.number().min(0).default(0.5).describe('Margin by which the chosen answer is to win, as a share of beta (γ / β).'),
  sftWeight: sftWeight(0),
});

type SimpoOptions = z.output<typeof simpoOptions>;

export const simpo: Method<SimpoOptions, SequenceInput> = {
  name: 'simpo',
  summary:
    'Learns from pairs by mean log-probability a token, without a reference: where chosen answers are much longer than rejected ones.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers' },
  options: simpoOptions,
  outputs: () => [],
  divisor: ({ pairs }) => pairs,
  loss: (input, { beta, gammaRatio, sftWeight }) =>
    referenceFreeLoss(input, {
      mean: true,
      beta,
      likelihood: sftWeight,
      pair: (chosen, rejected) => margin(beta, chosen - rejected - gammaRatio),
    }),
};

function margin(beta: number, difference: number): PairLoss {
  const slope = -beta * sigmoid(-beta * difference);
  return [-logSigmoid(beta * difference), slope, -slope];
}
