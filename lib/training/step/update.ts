/**
 * A step of any method, as the head of `lib/methods/method.ts` tells it: columns, what is prepared of the whole step, then one or several updates of
 * the weights. Sequences come from the rows of a recipe or from rollouts; nothing here knows which.
 */

import type { PackRules, Tokens } from '../../data/index.js';
import {
  type Columns,
  type GroupCounts,
  type LossOutput,
  type MethodState,
  type Metric,
  methodOf,
  part,
  type SequenceInput,
  stepCounts,
  stepTotals,
} from '../../methods/index.js';
import { cutInto, membersAt, type PassSequence } from '../../model/batches.js';
import { type Figures, forwardAll, forwardPass } from '../../model/passes.js';
import type { NativeModel } from '../../native.js';
import type { Recipe } from '../../recipe/index.js';
import { faultySequences, notFinite } from './faults.js';
import { type Move, moveWeights } from './optimizer.js';
import { ownValues, sendBack } from './value_passes.js';

/** What every step of a run works with. */
export interface UpdateSetting {
  native: NativeModel;
  recipe: Recipe;
  microBatchTokens: number;
  /** Share of an adapter's inputs that is dropped. */
  dropout: number;
  /** The adapter of the value head, where it has one of its own. */
  valueSet?: string | undefined;
}

/** A sequence and where it came from, for messages. */
export type StepSequence = PassSequence & Pick<Tokens, 'file' | 'line'>;

/** The sequences of a step, side by side with all the columns that the method asks for. */
export interface Step {
  /** From 1. */
  step: number;
  sequences: readonly StepSequence[];
  columns: Columns;
}

export interface PreparedStep extends Step {
  /** Of `prepare`. */
  metrics: Record<string, Metric>;
  /** What the method remembers for the next step. */
  state: MethodState;
  /** Figures of all sequences, where the whole step is one micro-batch and was looked at ahead: what `backward` needs of them is kept. */
  kept?: Figures | undefined;
}

export interface Updated {
  loss: number;
  metrics: Record<string, number>;
  /** Behind the metrics. */
  sums: Record<string, Metric>;
  /** What the loss is a mean over. */
  size: number;
  /** L2 over all trained tensors, before clipping. */
  gradientNorm: number;
  counts: GroupCounts;
}

/** How a method has its sequences packed. */
export const rulesOf = (recipe: Pick<Recipe, 'method'>): PackRules =>
  methodOf(recipe.method).columns?.(recipe.method).includes('promptTokens') ? { wholeChosen: true } : {};

/** Calls the method's `prepare` with the whole step. `keep`: the next thing is an update with all of its sequences. */
export async function prepareStep(setting: UpdateSetting, step: Step, before: MethodState, keep: boolean): Promise<PreparedStep> {
  const { recipe } = setting;
  const method = methodOf(recipe.method);
  if (method.prepare === undefined) return { ...step, metrics: {}, state: before };
  const looksAhead = method.looksAhead?.(recipe.method) ?? false;
  const ahead = looksAhead ? await lookAhead(setting, step, keep) : undefined;
  const counts = stepCounts(step.columns);
  const input = { ...step.columns, ...ahead?.figures, counts, divisor: method.divisor(counts) } as SequenceInput;
  const { columns, metrics, state = before } = method.prepare(input, recipe.method, before);
  return { ...step, columns: { ...step.columns, ...columns }, metrics, state, kept: ahead?.isWhole ? ahead.figures : undefined };
}

async function lookAhead(setting: UpdateSetting, step: Step, keep: boolean): Promise<{ figures: Figures; isWhole: boolean }> {
  const { native, microBatchTokens, valueSet } = setting;
  const isWhole = keep && cutInto(native, step.sequences, microBatchTokens).length === 1;
  const apart = await ownValues(setting, step.sequences);
  const figures = await forwardAll(native, step.sequences, microBatchTokens, (places) => ({
    ...passOptions(setting, step.step, places),
    keep: isWhole && valueSet === undefined,
  }));
  return { figures: { ...figures, ...apart }, isWhole: isWhole && valueSet === undefined };
}

function passOptions({ recipe, dropout, valueSet }: UpdateSetting, step: number, places: Int32Array) {
  const method = methodOf(recipe.method);
  const outputs = method.outputs(recipe.method).filter((name) => name !== 'value' || valueSet === undefined);
  const dropped = dropout > 0 ? { dropout: { key: dropoutKey(recipe.train.seed, step), places } } : {};
  return { outputs, rules: rulesOf(recipe), temperature: method.temperature?.(recipe.method), ...dropped };
}

/** A whole number below 2⁵³ from the seed and the step. */
const dropoutKey = (seed: number, step: number) => seed * 2 ** 21 + (step % 2 ** 21);

/**
 * One update of the weights from a prepared step, or from a part of it. The one divisor is known before its first micro-batch, so that any split
 * gives the same gradient.
 * @throws WorkError `loss_not_finite` with the step and its rows; the weights are then as before
 */
export async function takeUpdate(setting: UpdateSetting, step: PreparedStep, move: Move): Promise<Updated> {
  const { native, recipe } = setting;
  const totals = await stepLoss(setting, step, true);
  const gradientNorm = await moveWeights(native, recipe.train, setsOf(setting), move);
  if (!Number.isFinite(gradientNorm)) throw notFinite(`the gradient norm is ${gradientNorm}`, step.step, step.sequences);
  return { ...totals, gradientNorm };
}

/** Sets of tensors that are trained. */
const setsOf = ({ valueSet }: UpdateSetting) => (valueSet === undefined ? [undefined] : [undefined, valueSet]);

/** Loss and metrics of a prepared step; `learn`: with its gradients, which are added to those already there. */
export async function stepLoss(setting: UpdateSetting, step: PreparedStep, learn: boolean): Promise<Omit<Updated, 'gradientNorm'>> {
  const { native, recipe, microBatchTokens } = setting;
  const counts = stepCounts(step.columns);
  const method = methodOf(recipe.method);
  const divisor = method.divisor(counts);
  const parts: LossOutput[] = [];
  for (const places of cutInto(native, step.sequences, microBatchTokens))
    parts.push(await microBatch(setting, step, places, { counts, divisor, learn }));
  return { ...stepTotals([step, ...parts], divisor), size: method.size?.(counts, recipe.method) ?? divisor, counts };
}

interface Whole {
  counts: GroupCounts;
  divisor: number;
  learn: boolean;
}

async function microBatch(setting: UpdateSetting, step: PreparedStep, places: Int32Array, whole: Whole): Promise<LossOutput> {
  const { native, recipe } = setting;
  const { learn, ...counted } = whole;
  const sequences = membersAt(step.sequences, places);
  const pass = { ...passOptions(setting, step.step, places), keep: learn };
  const apart = await ownValues(setting, sequences);
  const figures = step.kept ?? { ...(await forwardPass(native, sequences, pass)), ...apart };
  const columns = part(step.columns, places);
  const loss = methodOf(recipe.method).loss({ ...columns, ...figures, ...counted }, recipe.method);
  if (!Number.isFinite(loss.lossSum)) {
    if (learn) for (const set of setsOf(setting)) await native.zeroGradients(set);
    throw notFinite(`the loss is ${loss.lossSum}`, step.step, faultySequences(figures, columns.sequenceStarts, sequences));
  }
  if (learn) await sendBack(setting, sequences, loss.gradient);
  return loss;
}
