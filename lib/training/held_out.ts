/** Evaluation on held-out rows while training, and what is remembered of it. */
import type { Tokens } from '../data/index.js';
import { WorkError } from '../errors/index.js';
import { methods } from '../methods/index.js';
import type { EvaluationEvent } from './events.js';
import { hiddenRows } from './masks.js';
import { forwardAll } from './passes.js';
import { rowStep, type StepSetting } from './step.js';
import { stepLoss } from './update.js';

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

const figureOf = ({ nll, loss }: Judged) => loss ?? nll ?? Number.NaN;

/** The best evaluation so far, and how many came since without a better one. */
export interface Best extends Judged {
  since: number;
}

/** Takes a new evaluation into account. `minimum`: the least fall that counts as better. */
export function betterOf(best: Best | undefined, event: EvaluationEvent, minimum: number): Best {
  const isBetter = best === undefined || figureOf(event) < figureOf(best) - minimum;
  return isBetter ? { ...judgedOf(event), since: 0 } : { ...best, since: best.since + 1 };
}
