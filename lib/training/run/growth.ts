/**
 * A run that goes on for more steps than it was begun with. That is the same run only where the rates of the steps that it has taken do not depend on
 * how many there are: `constant` does so from the end of warm-up on (whose steps stay those of the beginning), `wsd` up to where it begins to go down.
 * `linear` and `cosine` begin to go down with the first step: going on would be a schedule that no recipe describes, so they are refused.
 */

import { isDeepStrictEqual } from 'node:util';
import { RequestError } from '../../errors/index.js';
import type { Recipe, Train } from '../../recipe/index.js';
import { flatSteps } from './schedule.js';

/** Keys that say how long a run is. */
export const LENGTH_KEYS = ['train.steps', 'train.epochs'] as const;

const lengthOf = ({ steps, epochs }: Train) => ({ steps, epochs });

/** Whether two recipes ask for different lengths. */
export const hasOtherLength = (before: Recipe, now: Recipe) => !isDeepStrictEqual(lengthOf(before.train), lengthOf(now.train));

/**
 * The last step whose checkpoint a grown run may go on from.
 * @param before as the run was begun; `steps` of each in all
 * @throws RequestError `recipe_changed` where the run would be shorter, or its schedule does not allow it
 */
export function lastStepToGrowFrom({ train }: Recipe, steps: { before: number; now: number }): number {
  const change = `the run was begun with ${steps.before} steps, and the recipe now asks for ${steps.now}`;
  if (steps.now < steps.before) throw new RequestError('recipe_changed', `${change}: a run may grow, not shrink; take the old length`);
  const { schedule } = train;
  if (steps.now === steps.before || schedule === 'constant') return Number.POSITIVE_INFINITY;
  if (schedule === 'wsd') return flatSteps(train.decay, steps.before);
  const why = `with the schedule ${schedule} the rate of every step depends on their number, so the steps taken so far are not those of a longer run`;
  throw new RequestError('recipe_changed', `${change}: ${why}; ${WAYS}`);
}

const WAYS =
  'take the old length, or begin a new run from what this one made (adapter.from, or model), or choose the schedule constant or wsd from the start, which may grow';

/** @throws RequestError `recipe_changed`: no checkpoint from before the rate went down is left */
export function refuseDecayed(last: number, out: string): never {
  const why = `the schedule wsd goes down after step ${last}, and ${out} has no checkpoint from before that`;
  throw new RequestError('recipe_changed', `a run may grow from where its rate is still flat: ${why}; ${WAYS}`);
}
