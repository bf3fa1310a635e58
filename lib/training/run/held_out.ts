/** Evaluation on held-out rows while training, and what is remembered of it. */
import type { Tokens } from '../../data/index.js';
import { WorkError } from '../../errors/index.js';
import { methods } from '../../methods/index.js';
import { forwardAll } from '../../model/passes.js';
import type { EvaluationEvent } from '../events.js';
import { hiddenRows } from '../step/masks.js';
import { rowStep, type StepSetting } from '../step/step.js';
import { stepLoss } from '../step/update.js';

/** What held-out rows say at `step`. Nothing is dropped, whatever the adapter's dropout. */
export async function evaluateHeldOut(setting: StepSetting, heldOut: readonly Tokens[], step: number): Promise<EvaluationEvent> {
  return methods[setting.recipe.method.name].nats === true ? nats(setting, heldOut, step) : preferences(setting, heldOut, step);
}

/** Mean nats over the trained tokens. What is hidden is the same in every evaluation, so that they compare. */
async function nats(setting: StepSetting, heldOut: readonly Tokens[], step: number): Promise<EvaluationEvent> {
  const { native, microBatchTokens, masks, recipe } = setting;
  const { logprob } = await forwardAll(native, hiddenRows(heldOut, masks, recipe.train.seed, 0), microBatchTokens);
  const tokens = logprob.length;
  let sum = 0;
  for (const value of logprob) sum -= value;
  if (!Number.isFinite(sum))
    throw new WorkError('loss_not_finite', `the held-out nats are ${sum / tokens} after step ${step}; lower train.learningRate`);
  return { event: 'evaluation', step, nll: sum / tokens, perplexity: Math.exp(sum / tokens), tokens };
}

/** Loss and figures of all rows, as of one step. */
async function preferences(setting: StepSetting, heldOut: readonly Tokens[], step: number): Promise<EvaluationEvent> {
  const prepared = await rowStep(setting, step, heldOut, {}, false);
  const { loss, metrics, counts } = await stepLoss(setting, prepared, false);
  return { event: 'evaluation', step, loss, tokens: counts.trainedTokens, ...metrics };
}

/** What of an evaluation tells which is better: the one of the two that it has; lower is better. */
export interface Judged {
  step: number;
  nll?: number;
  loss?: number;
}

// Methods with a likelihood beside the preference (orpo, cpo) have both: the loss is what they train.
export const judgedOf = ({ step, nll, loss }: Judged): Judged => (loss === undefined ? { step, nll: nll as number } : { step, loss });

export const figureOf = ({ nll, loss }: Judged) => loss ?? nll ?? Number.NaN;

/**
 * The step whose weights come out, and why: the last one, with early stopping the one with the lowest held-out figure.
 * @param all evaluations so far, the first of them before step 1
 */
export function chosenWeights(
  { step, lowest, evaluations }: { step: number; lowest: Judged | undefined; evaluations: readonly Judged[] },
  takesLowest: boolean,
): { step: number; why: string } {
  if (lowest === undefined) return { step, why: 'the last step' };
  const unit = lowest.loss === undefined ? 'nats a token' : 'loss';
  const lowestIs = `the lowest held-out ${unit} of ${evaluations.length} evaluations, ${figureOf(lowest).toPrecision(5)}`;
  if (lowest.step === step) return { step, why: `the last step, which has ${lowestIs}` };
  const at = lowest.step === 0 ? 'the start' : `step ${lowest.step}`;
  if (takesLowest) return { step: lowest.step, why: `early stopping takes ${at}, which has ${lowestIs}` };
  return { step, why: `the last step; ${at} has ${lowestIs}, and train.earlyStopping would take it` };
}

/** The best evaluation so far, and how many came since without a better one. */
export interface Best extends Judged {
  since: number;
}

/** The evaluation with the lowest figure so far, the first of equal ones, whatever patience counts as better. */
export const lowestOf = (lowest: Judged | undefined, event: EvaluationEvent): Judged =>
  lowest === undefined || figureOf(event) < figureOf(lowest) ? judgedOf(event) : lowest;

/** Takes a new evaluation into account. `minimum`: the least fall that counts as better. */
export function betterOf(best: Best | undefined, event: EvaluationEvent, minimum: number): Best {
  const isBetter = best === undefined || figureOf(event) < figureOf(best) - minimum;
  return isBetter ? { ...judgedOf(event), since: 0 } : { ...best, since: best.since + 1 };
}
