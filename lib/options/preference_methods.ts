/** Options of the methods that learn from preferences: reward, dpo, kto, orpo, simpo, cpo. Formulas stand in `lib/methods`. */
import * as z from 'zod';

const beta = (value: number, meaning: string) => z.number().gt(0).default(value).describe(meaning);

export const reference = z
  .string()
  .min(1)
  .default('start')
  .describe(
    'What the policy is held to: start (the policy before step 1), base (the model without adapter), or the folder of an adapter or model.',
  );

const sftWeight = (value: number) =>
  z.number().min(0).default(value).describe('Weight of the chosen answers’ negative log-likelihood beside the preference; 0 is off.');

const noise = z.number().min(0).lt(0.5).default(0).describe('Share of pairs that are taken to be the wrong way round.');

export const reward = z.strictObject({
  name: z.literal('reward'),
  centering: z.number().min(0).default(0).describe('Weight of (sum of the two scores)², which holds scores near 0; 0.01 is usual.'),
  ranking: z
    .enum(['pairs', 'plackettLuce'])
    .default('pairs')
    .describe('What a ranking becomes: all its pairs, or one term for the whole order (Plackett-Luce).'),
  normalize: z
    .boolean()
    .default(true)
    .describe('Whether users of the model get scores of mean 0 and deviation 1 over the training answers (reward.json).'),
});

/** Losses of log-ratio scores, which a divergence may bend; and losses of the log-ratios or log-probabilities themselves. */
export const DPO_SCORE_LOSSES = ['sigmoid', 'hinge', 'ipo', 'exo', 'robust', 'discopop', 'sigmoidNorm'] as const;
const DPO_RATIO_LOSSES = ['nca', 'bco', 'sppo', 'aot', 'aotUnpaired', 'apoZero', 'apoDown'] as const;
const DPO_LOSSES = [...DPO_SCORE_LOSSES, ...DPO_RATIO_LOSSES, 'sft'] as const;
export type DpoLoss = (typeof DPO_LOSSES)[number];

/** Losses that read `labelSmoothing`. */
const SMOOTHED: readonly DpoLoss[] = ['sigmoid', 'exo', 'robust', 'aot', 'aotUnpaired'];

const [DEFAULT_ALPHA, DEFAULT_TAU] = [0.5, 0.05];

const dpoKeys = z.strictObject({
  name: z.literal('dpo'),
  beta: beta(0.1, 'How strongly the policy is held to the reference: larger moves less.'),
  loss: z
    .union([z.enum(DPO_LOSSES), z.array(z.enum(DPO_LOSSES)).min(1)])
    .default('sigmoid')
    .describe('The loss of a pair, or a list of losses that are added up with lossWeights.'),
  lossWeights: z.array(z.number().min(0)).min(1).optional().describe('Weight of each loss of a list. Default: 1 each.'),
  labelSmoothing: noise,
  divergence: z
    .enum(['reverseKl', 'forwardKl', 'jsDivergence', 'alphaDivergence'])
    .default('reverseKl')
    .describe('The f-divergence that holds the policy to the reference.'),
  divergenceAlpha: z.number().gt(0).default(DEFAULT_ALPHA).describe('The α of alphaDivergence; 1 is reverseKl.'),
  ldAlpha: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Weight of the tokens of an answer beyond the length of the other; below 1, length counts less.'),
  discopopTau: z.number().gt(0).default(DEFAULT_TAU).describe('How sharply discopop goes over from its logistic to its exponential part.'),
  reference,
});

type DpoKeys = z.output<typeof dpoKeys>;

/** Losses of a dpo recipe with their weights. */
export const dpoTerms = ({ loss, lossWeights }: Pick<DpoKeys, 'loss' | 'lossWeights'>): [DpoLoss, number][] =>
  (typeof loss === 'string' ? [loss] : loss).map((kind, n) => [kind, lossWeights?.[n] ?? 1]);

function checkDpo(dpo: DpoKeys, context: z.RefinementCtx): void {
  const losses = dpoTerms(dpo).map(([kind]) => kind);
  const refuse = (key: keyof DpoKeys, message: string) =>
    context.addIssue({ code: 'custom', path: [key], message: `method.${key} ${message}` });
  if (dpo.lossWeights !== undefined && dpo.lossWeights.length !== losses.length)
    refuse('lossWeights', `must have one weight for each of the ${losses.length} losses, not ${dpo.lossWeights.length}`);
  if (losses.includes('exo') && dpo.labelSmoothing === 0)
    refuse('labelSmoothing', 'must be above 0 and below 0.5 for the loss exo, which is not defined at 0');
  if (dpo.labelSmoothing > 0 && !losses.some((kind) => SMOOTHED.includes(kind)))
    refuse('labelSmoothing', `has no effect on ${losses.join(', ')}; it is read by ${SMOOTHED.join(', ')}`);
  const unbent = losses.find((kind) => (DPO_RATIO_LOSSES as readonly string[]).includes(kind));
  if (dpo.divergenceAlpha !== DEFAULT_ALPHA && dpo.divergence !== 'alphaDivergence')
    refuse('divergenceAlpha', `has no effect on ${dpo.divergence}; it is read by alphaDivergence`);
  if (dpo.discopopTau !== DEFAULT_TAU && !losses.includes('discopop'))
    refuse('discopopTau', `has no effect on ${losses.join(', ')}; it is read by discopop`);
  if (dpo.divergence !== 'reverseKl' && unbent !== undefined)
    refuse('divergence', `must be reverseKl for the loss ${unbent}; others go with ${DPO_SCORE_LOSSES.join(', ')}, sft`);
}

export const dpo = dpoKeys.superRefine(checkDpo);

export const kto = z.strictObject({
  name: z.literal('kto'),
  beta: beta(0.1, 'How fast an answer’s gain levels off: larger sooner.'),
  desirableWeight: z.number().min(0).default(1).describe('Weight of answers that were liked.'),
  undesirableWeight: z
    .number()
    .min(0)
    .default(1)
    .describe('Weight of answers that were not. Weight × number of both kinds should be alike, at most 4 : 3.'),
  kl: z
    .enum(['batch', 'step'])
    .default('batch')
    .describe(
      'The point that gains are measured from. batch: the KL, from each prompt with the answer of another row, as the paper and TRL estimate it. step: a baseline of the step, the mean over its own answers; no KL, but no further passes.',
    ),
  reference,
});

export const orpo = z.strictObject({
  name: z.literal('orpo'),
  beta: z.number().min(0).default(0.1).describe('Weight of the odds-ratio term (λ of the paper).'),
  likelihood: z
    .enum(['response', 'full'])
    .default('response')
    .describe('Tokens of the likelihood term: the chosen answer, or prompt and answer as in TRL.'),
});

export const simpo = z.strictObject({
  name: z.literal('simpo'),
  beta: beta(2, 'Scale of the reward, the mean log-probability a token.'),
  gammaRatio: z.number().min(0).default(0.5).describe('Margin by which the chosen answer is to win, as a share of beta (γ / β).'),
  sftWeight: sftWeight(0),
});

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

export const cpo = cpoKeys.superRefine(checkCpo);
