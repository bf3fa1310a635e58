/**
 * Odds-ratio preference optimisation (Hong et al. 2024, "ORPO: monolithic preference optimization without reference model"): supervised fine-tuning on
 * the chosen answers with a term that favours them over the rejected ones.
 *
 *     loss = NLL(y_w) - β log σ(log odds_w - log odds_l)      log odds = l - log(1 - e^l)      l = mean log π(y_t) over an answer's tokens
 *
 * β is the paper's λ. `likelihood: response`: the NLL runs over the answer, as in the paper; `full`: over prompt and answer, as in TRL.
 */
import * as z from 'zod';
import type { Method, SequenceInput } from '../method.js';
import { log1mExp, logSigmoid, sigmoid } from './logistic.js';
import type { PairLoss } from './pairs.js';
import { referenceFreeLoss } from './reference_free.js';

export const orpoOptions = z.strictObject({
  name: z.literal('orpo'),
  beta: z.number().min(0).default(0.1).describe('Weight of the odds-ratio term (λ of the paper).'),
  likelihood: z
    .enum(['response', 'full'])
    .default('response')
    .describe('Tokens of the likelihood term: the chosen answer, or prompt and answer as in TRL.'),
});

type OrpoOptions = z.output<typeof orpoOptions>;

export const orpo: Method<OrpoOptions, SequenceInput> = {
  name: 'orpo',
  summary: 'Learns answers and preferences in one stage, without a reference: for pairs and a base model.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers' },
  options: orpoOptions,
  comparable: () => 'all',
  outputs: () => [],
  columns: ({ likelihood }) => (likelihood === 'full' ? ['promptTokens'] : []),
  divisor: ({ pairs }) => pairs,
  loss: (input, { beta }) =>
    referenceFreeLoss(input, { mean: true, beta, likelihood: 1, pair: (chosen, rejected) => oddsRatio(chosen, rejected, beta) }),
};

/** An answer cannot be surer than this: at l = 0 the odds are infinite. Single precision does not tell it from 0. */
const SUREST = -1e-7;

function oddsRatio(chosen: number, rejected: number, beta: number): PairLoss {
  const [w, l] = [Math.min(chosen, SUREST), Math.min(rejected, SUREST)];
  const ratio = w - log1mExp(w) - (l - log1mExp(l));
  const slope = -beta * sigmoid(-ratio);
  return [-beta * logSigmoid(ratio), w === chosen ? slope * oddsSlope(w) : 0, l === rejected ? -slope * oddsSlope(l) : 0];
}

/** d log odds / d l = 1 / (1 - e^l). */
const oddsSlope = (l: number) => -1 / Math.expm1(l);
