/** A loss that runs away from where it began, which is most often a rate of another optimiser or another model. */
import type { Warning } from '../../data/index.js';
import { methodOf } from '../../methods/index.js';
import type { MethodOptions } from '../../recipe/index.js';
import type { StepEvent } from '../events.js';
import type { PreferenceWatch } from './preference_warnings.js';

/** Nats above the loss of the first step: each token is e³ = 20 times less likely than it was. */
const RISE = 3;

/** Steps in which the loss of a comparison that begins at ln 2 has no other way to be so high. Later a confident model may lose single pairs. */
const FIRST = 20;

/** Up to which step a method's loss is in nats and comparable with that of its first step. */
function comparableUntil(options: MethodOptions): number {
  const method = methodOf(options);
  const steps = method.comparable?.(options) ?? (method.nats === true ? 'all' : 'none');
  return { all: Number.POSITIVE_INFINITY, early: FIRST, none: 0 }[steps];
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
