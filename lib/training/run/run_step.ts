/** A step of a run, from the rows of its recipe or from rollouts, and a look at its held-out rows. */
import type { Warning } from '../../data/index.js';
import type { EvaluationEvent, StepEvent } from '../events.js';
import { dropsInputs } from '../rollout/rollouts.js';
import { takeRolloutStep } from '../rollout/step.js';
import { watched } from '../rollout/warnings.js';
import { watchedLoss } from '../step/loss_watch.js';
import { watchedPreference } from '../step/preference_warnings.js';
import { takeStep } from '../step/step.js';
import { evaluateHeldOut } from './held_out.js';
import type { Run } from './prepare.js';

/** Takes a step as the method wants it, with what is to be said of it. */
export async function takeRunStep(
  run: Run,
  step: number,
  rows: Int32Array,
  rate: number,
): Promise<{ event: StepEvent; remarks: Warning[] }> {
  const { rollouts, state, tokenizer } = run;
  if (rollouts === undefined) {
    const { event, state: method } = await takeStep(stepSetting(run), step, rows, rate, state.rows.method);
    const preference = watchedPreference(state.rows.watch, event, run.recipe.method);
    const loss = watchedLoss(state.rows.watch, event, run.recipe.method);
    state.rows = { method, watch: { ...preference.watch, ...loss.watch } };
    return { event, remarks: [...preference.warnings, ...loss.warnings] };
  }
  const setting = { ...stepSetting(run), ...rollouts, tokenizer, known: undefined };
  const taken = await takeRolloutStep(setting, step, rows, rate, state.rollouts);
  const { warnings, watch } = watched(state.rollouts.watch, taken.event);
  state.rollouts = { ...taken.state, watch };
  return { event: taken.event, remarks: warnings };
}

const stepSetting = ({ native, recipe, sequences, microBatchTokens, adapter, held, masks, teacher }: Run) => ({
  native,
  recipe,
  sequences,
  microBatchTokens,
  dropout: dropsInputs(recipe) ? (adapter?.dropout ?? 0) : 0,
  reference: held?.reference,
  known: held?.known,
  teacher,
  masks,
});

/** Measures the held-out rows as the weights stand. */
export async function evaluateRun(run: Run): Promise<EvaluationEvent> {
  const { rows, state, recipe } = run;
  const event = await evaluateHeldOut({ ...stepSetting(run), dropout: 0 }, rows.heldOut, state.step);
  state.evaluated(event, recipe.train.earlyStopping?.minimum ?? 0);
  return event;
}
