/** One step over rows of a recipe: their columns, forward, loss and backward of every micro-batch, then one update. */
import { columnsOf, type Tokens } from '../../data/index.js';
import type { MethodState } from '../../methods/index.js';
import { allOf, membersAt, type PassSequence, passTokens } from '../../model/batches.js';
import { addon, type NativeModel } from '../../native.js';
import type { StepEvent } from '../events.js';
import type { KnownReference } from '../reference/cache.js';
import type { Reference } from '../reference/reference.js';
import { type Teacher, taught } from '../reference/teacher.js';
import { hiddenRows, type Masks } from './masks.js';
import { referenceColumns } from './reference_columns.js';
import { type PreparedStep, prepareStep, rulesOf, takeUpdate, type UpdateSetting } from './update.js';

/** What the steps over a recipe's rows work with. */
export interface StepSetting extends UpdateSetting {
  sequences: readonly Tokens[];
  /** What the policy is held to, where the method asks for it. */
  reference?: Reference | undefined;
  /** What is known of the reference already. */
  known?: KnownReference | undefined;
  /** What the policy learns from, where the method has a teacher. */
  teacher?: Teacher | undefined;
  /** How words are hidden, where the method hides some. */
  masks?: Masks | undefined;
}

/** What a step came to: its event, and what the method remembers for the next one. */
export interface Taken {
  event: StepEvent;
  state: MethodState;
}

/**
 * Takes step `step` (from 1) over the sequences at `rows`.
 * @throws WorkError `loss_not_finite` with the step and its rows; the weights are then as before the step
 */
export async function takeStep(setting: StepSetting, step: number, rows: Int32Array, rate: number, before: MethodState): Promise<Taken> {
  const start = performance.now();
  const sequences = hiddenRows(membersAt(setting.sequences, rows), setting.masks, setting.recipe.train.seed, step);
  const prepared = await rowStep(setting, step, sequences, before, true);
  const updated = await takeUpdate(setting, prepared, { update: step, learningRate: rate });
  const { loss, gradientNorm, metrics, counts } = updated;
  const figures = stepFigures(setting.native, sequences, counts.trainedTokens, start);
  return { event: { event: 'step', step, loss, learningRate: rate, gradientNorm, ...figures, ...metrics }, state: prepared.state };
}

/** Rows as a prepared step. */
export async function rowStep(
  setting: StepSetting,
  step: number,
  sequences: readonly Tokens[],
  before: MethodState,
  keep: boolean,
): Promise<PreparedStep> {
  const columns = columnsOf(sequences, allOf(sequences), rulesOf(setting.recipe));
  const whole = await referenceColumns(setting, sequences, columns);
  const asked = setting.teacher && (await taught(setting.teacher, sequences, setting.microBatchTokens));
  const given = { ...whole, ...(asked && { teacher: asked.teacher }) };
  return prepareStep(setting, { step, sequences: asked?.sequences ?? sequences, columns: given }, before, keep);
}

/** Resident memory of the process now. */
export const residentMiB = () => Math.round(addon().residentMemory().now / 2 ** 20);

/** What every step's event tells of its work. `start`: `performance.now()` before it. */
export function stepFigures(native: NativeModel, sequences: readonly PassSequence[], trainedTokens: number, start: number) {
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const tokensPerSecond = tokens / ((performance.now() - start) / 1000);
  return { tokens, computedTokens: passTokens(native, sequences), trainedTokens, tokensPerSecond, memoryMiB: residentMiB() };
}
