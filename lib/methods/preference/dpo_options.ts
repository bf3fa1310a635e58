/** Options of dpo. */
import * as z from 'zod';
import { beta, noise, reference } from './fields.js';

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

export const dpoOptions = dpoKeys.superRefine(checkDpo);

export type DpoOptions = z.output<typeof dpoOptions>;
