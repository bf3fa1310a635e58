/**
 * One step of a method that learns from its own answers: the policy answers the step's prompts, judges reward the answers, the method makes advantages of
 * the rewards, and each update takes its share of the answers.
 */

import { Random, type Tokens } from '../../data/index.js';
import { type MethodState, metricMeans, metricSums, part, type RolloutOptions, updates } from '../../methods/index.js';
import { membersAt } from '../../model/batches.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import type { StepEvent } from '../events.js';
import type { Reference } from '../reference/reference.js';
import { referenceColumns } from '../step/reference_columns.js';
import { stepFigures } from '../step/step.js';
import { type PreparedStep, prepareStep, type Step, takeUpdate, type Updated, type UpdateSetting } from '../step/update.js';
import { answerSequences } from './answer_sequences.js';
import { type Answer, sampleAnswers } from './answers.js';
import type { Judges } from './judges.js';

/** Options of the methods with rollouts. */

/** What a step remembers for the next; part of a checkpoint. */
export interface RolloutState {
  /** Updates of the optimiser so far. */
  updates: number;
  method: MethodState;
}

export interface RolloutSetting extends UpdateSetting {
  /** The prompts. */
  sequences: readonly Tokens[];
  tokenizer: Pick<Tokenizer, 'ends' | 'eos' | 'stream'>;
  judges: Judges;
  reference: Reference | undefined;
}

/**
 * Takes step `step` (from 1) over the prompts at `rows`.
 * @throws WorkError `loss_not_finite`, or what a reward function throws; the weights may then be between two steps
 */
export async function takeRolloutStep(
  setting: RolloutSetting,
  step: number,
  rows: Int32Array,
  learningRate: number,
  before: RolloutState,
): Promise<{ event: StepEvent; state: RolloutState }> {
  const start = performance.now();
  const { method, train } = setting.recipe;
  const { epochs, minibatches } = method as RolloutOptions;
  const answered = await rollout(setting, step, membersAt(setting.sequences, rows));
  const plan = updates(answered.sequences.length, epochs, minibatches, new Random(train.seed, step, UPDATES));
  const prepared = await prepareStep(setting, answered, before.method, plan.length === 1);
  const taken: Updated[] = [];
  for (const answers of plan)
    taken.push(await takeUpdate(setting, shareOf(prepared, answers), { update: before.updates + taken.length + 1, learningRate }));
  const trained = answered.columns.sequenceStarts.at(-1) as number;
  const { loss, gradientNorm, metrics } = updateMeans(taken);
  const told = { ...metricMeans(metricSums([prepared])), ...metrics };
  const figures = { ...stepFigures(setting.native, answered.sequences, trained, start), ...told };
  const event = { event: 'step' as const, step, loss, learningRate, gradientNorm, ...figures };
  return { event, state: { updates: before.updates + taken.length, method: prepared.state } };
}

/** A stream of random numbers of a step: the order of answers in its updates. What is sampled has another generator. */
const UPDATES = 1;

/** A whole number below 2⁵³ from the seed and the step. */
export const samplingSeed = (seed: number, step: number) => seed * 2 ** 21 + (step % 2 ** 21);

/** The policy's answers, with their rewards. */
async function rollout(setting: RolloutSetting, step: number, prompts: readonly Tokens[]): Promise<Step> {
  const { native, recipe, tokenizer, judges } = setting;
  const ids = prompts.map((prompt) => prompt.ids);
  const answers = await sampleAnswers(native, tokenizer, ids, recipe.method as RolloutOptions, samplingSeed(recipe.train.seed, step));
  const sequences = answerSequences(prompts, answers, native.sharesBeginnings ? setting.microBatchTokens : 0);
  const columns = { ...layoutOf(answers), reward: await judges.rewards(prompts, answers) };
  return { step, sequences, columns: await referenceColumns(setting, sequences, columns) };
}

function layoutOf(answers: readonly Answer[]) {
  const sequenceStarts = new Int32Array(answers.length + 1);
  for (const [n, { ids }] of answers.entries()) sequenceStarts[n + 1] = (sequenceStarts[n] as number) + ids.length;
  const group = Int32Array.from(answers, ({ prompt }) => prompt);
  return { sequenceStarts, group, stopped: Float64Array.from(answers, ({ stopped }) => Number(stopped)) };
}

/** What an update takes of a step, answers to one prompt side by side. What was prepared is told once, not with every update. */
function shareOf(step: PreparedStep, shuffled: Int32Array): PreparedStep {
  const answers = shuffled.toSorted();
  return { ...step, sequences: membersAt(step.sequences, answers), columns: part(step.columns, answers), metrics: {} };
}

/** Means over the updates of a step, each by its size: loss and norm by what the loss is a mean over, a metric by what it counted. */
export function updateMeans(taken: readonly Pick<Updated, 'loss' | 'gradientNorm' | 'size' | 'sums'>[]) {
  const all = taken.reduce((sum, { size }) => sum + size, 0);
  const mean = (figure: (one: (typeof taken)[number]) => number) => taken.reduce((sum, one) => sum + figure(one) * (one.size / all), 0);
  const metrics = metricMeans(metricSums(taken.map(({ sums }) => ({ metrics: sums }))));
  return { loss: mean(({ loss }) => loss), gradientNorm: mean(({ gradientNorm }) => gradientNorm), metrics };
}
