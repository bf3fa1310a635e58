/** Known failures of learning from preferences, seen in a step's figures. */

import type { Warning } from '../../data/index.js';
import { methodOf } from '../../methods/index.js';
import type { MethodOptions } from '../../recipe/index.js';
import type { StepEvent } from '../events.js';

/** Steps in a row that showed each failure, and `start`, what log-probabilities were at first; part of a checkpoint. */
export type PreferenceWatch = Readonly<Record<string, number>>;

/** Steps in a row after which a failure is told. */
const AFTER = 10;

/** Nats by which the chosen answers have become less likely than the reference has them. */
const FALLEN = 10;
/** The same without a reference, where the steps' own rows differ: as a multiple of what it was at first. */
const FALLEN_BY = 1.5;
/** Nats an answer between policy and reference at which a policy no longer writes what the reference would. */
const FAR = 50;

const figure = (step: StepEvent, name: string) => step[name] as number | undefined;

/** By how much the chosen answers' log-probability has fallen, in words, where it has fallen far. */
function fall(step: StepEvent, method: MethodOptions, start: number): string | undefined {
  const [chosen, reward] = [figure(step, 'logpChosen'), figure(step, 'rewardChosen')];
  if (chosen === undefined || reward === undefined || !('beta' in method)) return undefined;
  if (!('reference' in method))
    return chosen < FALLEN_BY * start ? `is ${chosen.toPrecision(4)}, and was ${start.toPrecision(4)}` : undefined;
  const ratio = reward / method.beta;
  return ratio < -FALLEN ? `is ${(-ratio).toPrecision(3)} nats an answer below the reference's` : undefined;
}

/** What is new to be told after a step, each failure once when it begins to last, and what to remember. */
export function watchedPreference(
  watch: PreferenceWatch,
  step: StepEvent,
  method: MethodOptions,
): { warnings: Warning[]; watch: PreferenceWatch } {
  const chosen = figure(step, 'logpChosen');
  const start = watch.start ?? chosen ?? Number.NaN;
  const fallen = fall(step, method, start);
  const { distance } = methodOf(method);
  const kl = distance === undefined ? 0 : (figure(step, distance) ?? 0);
  const falling = fallen === undefined ? 0 : (watch.falling ?? 0) + 1;
  const far = kl > FAR ? (watch.far ?? 0) + 1 : 0;
  const warnings: Warning[] = [];
  const tell = (code: string, message: string) => warnings.push({ code, message: `step ${step.step}: ${message}` });
  if (falling === AFTER)
    tell(
      'chosen_falling',
      `for ${AFTER} steps chosen answers have become less likely: their log-probability ${fallen}; rejected ones fall faster, so the margin looks well; lower train.learningRate, or mix in the chosen answers' likelihood (loss [sigmoid, sft] of dpo, sftWeight)`,
    );
  if (far === 1)
    tell('kl_high', `the policy is ${kl.toFixed(0)} nats an answer away from its reference, more than ${FAR}: lower train.learningRate`);
  return { warnings, watch: { ...(chosen !== undefined && { start }), falling, far } };
}
