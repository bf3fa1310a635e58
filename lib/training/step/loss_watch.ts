/** A loss that runs away from where it began, which is most often a rate of another optimiser or another model. */
import type { Warning } from '../../data/index.js';
import { dpoTerms, methods } from '../../methods/index.js';
import type { MethodOptions } from '../../recipe/index.js';
import type { StepEvent } from '../events.js';
import type { PreferenceWatch } from './preference_warnings.js';

/** Nats above the loss of the first step: each token is e³ = 20 times less likely than it was. */
const RISE = 3;

/** Steps in which the loss of a comparison that begins at ln 2 has no other way to be so high. Later a confident model may lose single pairs. */
const FIRST = 20;

/** Losses of dpo that are no nats: squares of log-ratios, and an exponential. */
const NO_NATS = ['ipo', 'sppo', 'discopop'];

/** Up to which step a method's loss is in nats and comparable with that of its first step. */
function comparableUntil(method: MethodOptions): number {
  if (methods[method.name].nats === true || method.name === 'distill' || method.name === 'orpo') return Number.POSITIVE_INFINITY;
  if (method.name === 'reward') return FIRST;
  return method.name === 'dpo' && !dpoTerms(method).some(([kind]) => NO_NATS.includes(kind)) ? FIRST : 0;
}

/** What is to be told of a step's loss, once a run, and what to remember. */
export function watchedLoss(
  { firstLoss, risen }: PreferenceWatch,
  { step, loss, learningRate }: Pick<StepEvent, 'step' | 'loss' | 'learningRate'>,
  method: MethodOptions,
): { warnings: Warning[]; watch: PreferenceWatch } {
  const first = firstLoss ?? loss;
  const rises = risen === undefined && step <= comparableUntil(method) && loss > first + RISE;
  const message = `step ${step}: the loss is ${loss.toPrecision(4)}, and was ${first.toPrecision(4)} at first: a rise of more than ${RISE} nats; train.learningRate (now ${learningRate.toPrecision(3)}) is too high, unless the rows differ that much`;
  const watch = { firstLoss: first, ...((rises || risen !== undefined) && { risen: risen ?? step }) };
  return { warnings: rises ? [{ code: 'loss_rising', message }] : [], watch };
}
