/**
 * Kahneman-Tversky optimisation (Ethayarajh et al. 2024, "KTO: model alignment as prospect theoretic optimization"): learns from answers that were
 * liked or not, one by one.
 *
 *     u = Σ log π(y) - Σ log π_ref(y)      liked: w_D (1 - σ(β (u - z)))      not liked: w_U (1 - σ(β (z - u)))
 *
 * z ≥ 0 is the point of reference, an estimate of the KL between policy and reference over the whole step, held fixed while gradients are taken.
 * `kl: batch`: the mean over prompts that meet the answer of another row (`mismatchedRows` in lib/data), as in the paper and in TRL. `kl: step`: the
 * mean of u over the step's own answers, which is no estimate of the KL but a baseline of the batch, and costs no passes. A step of one row knows
 * neither, as the row would be compared with itself: it takes the z of the step before, at first 0. The step's loss is the mean over its answers.
 */
import * as z from 'zod';
import { addToTokens, answerSums, divided } from '../answers.js';
import type { LossOutput, Method, MethodState, Metric, Prepared, With } from '../method.js';
import { meanOf, sumOf } from '../statistics.js';
import { beta, reference } from './fields.js';
import { sigmoid } from './logistic.js';

export const ktoOptions = z.strictObject({
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

type KtoOptions = z.output<typeof ktoOptions>;

type Input = With<'reference' | 'label' | 'referencePoint' | 'share'>;
type Step = With<'reference' | 'label'>;

export const kto: Method<KtoOptions, Input, Step> = {
  name: 'kto',
  summary: 'Learns from single answers that were liked or not: for thumbs up and down, and for pairs with much noise.',
  needs: { rows: ['thumbs', 'pairs'], trained: 'answers' },
  options: ktoOptions,
  needsOthers: 'measures an answer by the other rows of its step',
  distance: 'kl',
  rowWarnings: ({ up = 0, down = 0 }, options) => balanceWarnings(up, down, options),
  outputs: () => [],
  columns: ({ kl }) => (kl === 'batch' ? ['reference', 'label', 'mismatch'] : ['reference', 'label']),
  looksAhead: ({ kl }) => kl === 'step',
  prepare,
  divisor: ({ sequences }) => sequences,
  loss,
};

function ratios(input: Step): Float64Array {
  const reference = answerSums(input, input.reference);
  return answerSums(input, input.logprob).map((sum, s) => sum - reference[s]!);
}

function prepare(step: Step, { kl }: KtoOptions, state: MethodState): Prepared {
  const size = step.label.length;
  const others = kl === 'batch' ? step.mismatch : ratios(step);
  const point = size < 2 || others === undefined ? (state.referencePoint ?? 0) : Math.max(0, meanOf(others));
  const liked = sumOf(step.label);
  const share = Float64Array.from(step.label, (label) => (liked === 0 || liked === size ? 0 : 1 / (label === 1 ? liked : size - liked)));
  const columns = { referencePoint: new Float64Array(size).fill(point), share };
  return { columns, metrics: { kl: { sum: point, count: 1 } }, state: { referencePoint: point } };
}

function loss(input: Input, options: KtoOptions): LossOutput {
  const { label, referencePoint, divisor } = input;
  const ratio = ratios(input);
  const bySum = new Float64Array(ratio.length);
  let lossSum = 0;
  for (let s = 0; s < ratio.length; s++) {
    const [side, weight] = label[s] === 1 ? [1, options.desirableWeight] : [-1, options.undesirableWeight];
    const gain = sigmoid(side * options.beta * (ratio[s]! - referencePoint[s]!));
    lossSum += weight * (1 - gain);
    bySum[s] = -weight * side * options.beta * gain * (1 - gain);
  }
  const byToken = new Float64Array(input.logprob.length);
  addToTokens(byToken, input, bySum);
  return { lossSum, gradient: { logprob: divided(byToken, divisor) }, metrics: metricsOf(input, ratio, options.beta) };
}

/** Means over the answers of each label. The margin is the difference of two means over the step, so that it is gathered by shares. */
function metricsOf({ label, share, logprob, counts, ...layout }: Input, ratio: Float64Array, beta: number): Record<string, Metric> {
  const logp = answerSums(layout, logprob);
  const mean = (values: Float64Array, kind: number): Metric => {
    const own = values.filter((_, s) => label[s] === kind);
    return { sum: sumOf(own), count: own.length };
  };
  const reward = ratio.map((u) => beta * u);
  const margin = reward.reduce((sum, value, s) => sum + (label[s] === 1 ? 1 : -1) * share[s]! * value, 0);
  return {
    logpChosen: mean(logp, 1),
    logpRejected: mean(logp, 0),
    rewardChosen: mean(reward, 1),
    rewardRejected: mean(reward, 0),
    rewardMargin: { sum: margin, count: share.some((one) => one > 0) ? ratio.length / counts.sequences : 0 },
  };
}

/** Weighted ratio of liked to disliked answers that KTO's authors advise: from 1 to 4 / 3 (Ethayarajh et al. 2024, section 4.3). */
const BALANCE: readonly [number, number] = [1, 4 / 3];

function balanceWarnings(
  up: number,
  down: number,
  { desirableWeight, undesirableWeight }: KtoOptions,
): { code: string; message: string }[] {
  const ratio = (desirableWeight * up) / (undesirableWeight * down);
  if (!Number.isFinite(ratio) || (ratio >= BALANCE[0] && ratio <= BALANCE[1])) return [];
  const advised = (undesirableWeight * down) / up;
  const advice = `method.desirableWeight ${advised.toPrecision(3)} to ${((advised * 4) / 3).toPrecision(3)}`;
  const message = `${up} answers are liked and ${down} are not: weight × number of the liked is ${ratio.toPrecision(3)} times that of the others, best is 1 to 1.33; try ${advice}`;
  return [{ code: 'unbalanced', message }];
}
