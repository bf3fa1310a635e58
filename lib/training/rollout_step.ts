/**
 * One step of a method that learns from its own answers: the policy answers the step's prompts, judges reward the answers, the method makes advantages of
 * the rewards, and each update takes its share of the answers.
 */
import { microBatches, type Packable, Random, type Tokens } from '../data/index.js';
import { WorkError } from '../errors/index.js';
import {
  type Columns,
  type LossOutput,
  type Method,
  type MethodState,
  methods,
  type Prepared,
  part,
  type SequenceInput,
  stepCounts,
  stepTotals,
  updates,
} from '../methods/index.js';
import { addon, type NativeModel } from '../native.js';
import type { MethodOptions, OptionsOf, Recipe } from '../options/index.js';
import type { Tokenizer } from '../tokenizer/index.js';
import type { StepEvent } from './events.js';
import type { Judges } from './judges.js';
import type { Reference } from './reference.js';
import { type Answer, answerSequence, sampleAnswers } from './rollout_answers.js';
import { type Passes, policyLook, referenceLook, trainGroup, VALUE, type ValuePlace } from './rollout_passes.js';

/** Options of the methods with rollouts. */
export type RolloutOptions = OptionsOf<'ppo'> | OptionsOf<'grpo'> | OptionsOf<'rloo'>;

/** What a step remembers for the next; part of a checkpoint. */
export interface RolloutState {
  /** Updates of the optimiser so far. */
  updates: number;
  method: MethodState;
}

export interface RolloutSetting {
  native: NativeModel;
  recipe: Recipe;
  /** The prompts. */
  sequences: readonly Tokens[];
  microBatchTokens: number;
  tokenizer: Pick<Tokenizer, 'ends' | 'eos' | 'stream'>;
  judges: Judges;
  reference: Reference | undefined;
  value: ValuePlace;
}

type RolloutMethod = Method<MethodOptions, SequenceInput>;

/** A step's answers, as they are trained on. */
interface Rollout {
  sequences: Packable[];
  columns: Columns;
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
  state: RolloutState,
): Promise<{ event: StepEvent; state: RolloutState }> {
  const start = performance.now();
  const { recipe } = setting;
  const options = recipe.method as RolloutOptions;
  const prompts = Array.from(rows, (row) => setting.sequences[row] as Tokens);
  const rollout = await rolloutOf(setting, prompts, step);
  const prepared = await prepare(setting, rollout, state.method);
  const whole = { ...rollout, columns: { ...rollout.columns, ...prepared.columns } };
  const taken: Taken[] = [];
  const random = new Random(recipe.train.seed, step, UPDATES);
  for (const answers of updates(rollout.sequences.length, options.epochs, options.minibatches, random))
    taken.push(await takeUpdate(setting, whole, answers, { step, learningRate, update: state.updates + taken.length + 1, prompts }));
  const parts = [prepared, ...taken.flatMap((one) => one.parts)];
  const { loss, metrics } = stepTotals(
    parts,
    taken.reduce((sum, { divisor }) => sum + divisor, 0),
  );
  const gradientNorm = taken.reduce((sum, { norm }) => sum + norm, 0) / taken.length;
  const event = { event: 'step' as const, step, loss, learningRate, gradientNorm, ...measured(rollout, start), ...metrics };
  return { event, state: { updates: state.updates + taken.length, method: prepared.state ?? state.method } };
}

/** Streams of random numbers of a step: the order of answers in its updates. What is sampled has another generator. */
const UPDATES = 1;

/** A whole number below 2⁵³ from the seed and the step. */
const samplingSeed = (seed: number, step: number) => seed * 2 ** 21 + (step % 2 ** 21);

function measured({ sequences, columns }: Rollout, start: number) {
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  return {
    tokens,
    trainedTokens: columns.sequenceStarts.at(-1) as number,
    tokensPerSecond: tokens / ((performance.now() - start) / 1000),
    memoryMiB: Math.round(addon().residentMemory().now / 2 ** 20),
  };
}

async function rolloutOf(setting: RolloutSetting, prompts: readonly Tokens[], step: number): Promise<Rollout> {
  const { native, recipe, tokenizer, judges, reference } = setting;
  const ids = prompts.map((prompt) => prompt.ids);
  const seed = samplingSeed(recipe.train.seed, step);
  const answers = await sampleAnswers(native, tokenizer, ids, recipe.method as RolloutOptions, seed);
  const sequences = answers.map((answer) => answerSequence(ids[answer.prompt] as Int32Array, answer));
  const reward = await judges.rewards(prompts, answers);
  const columns = { ...layoutOf(answers), reward };
  if (reference === undefined) return { sequences, columns };
  return { sequences, columns: { ...columns, reference: await referenceLook(passesOf(setting), reference, sequences) } };
}

function layoutOf(answers: readonly Answer[]) {
  const sequenceStarts = new Int32Array(answers.length + 1);
  for (const [n, { ids }] of answers.entries()) sequenceStarts[n + 1] = (sequenceStarts[n] as number) + ids.length;
  const group = Int32Array.from(answers, ({ prompt }) => prompt);
  return { sequenceStarts, group, stopped: Float64Array.from(answers, ({ stopped }) => Number(stopped)) };
}

const methodOf = ({ recipe }: RolloutSetting) => methods[recipe.method.name] as unknown as RolloutMethod;

function passesOf({ native, value, microBatchTokens, recipe }: RolloutSetting): Passes {
  return { native, value, microBatchTokens, temperature: (recipe.method as RolloutOptions).temperature };
}

async function prepare(setting: RolloutSetting, { sequences, columns }: Rollout, state: MethodState): Promise<Prepared> {
  const method = methodOf(setting);
  const { method: options } = setting.recipe;
  const counts = stepCounts(columns);
  const none = { logprob: new Float32Array(columns.sequenceStarts.at(-1) as number) };
  const looked = method.looksAhead?.(options) ? await policyLook(passesOf(setting), sequences) : none;
  const step = { ...columns, ...looked, counts, divisor: method.divisor(counts) };
  return method.prepare?.(step, options, state) ?? { columns: {}, metrics: {} };
}

interface UpdatePlace {
  step: number;
  learningRate: number;
  /** From 1, over the whole run. */
  update: number;
  prompts: readonly Tokens[];
}

interface Taken {
  parts: LossOutput[];
  divisor: number;
  norm: number;
}

/** One update of the optimiser over the answers at `answers`. */
async function takeUpdate(
  setting: RolloutSetting,
  { sequences, columns }: Rollout,
  answers: Int32Array,
  place: UpdatePlace,
): Promise<Taken> {
  const method = methodOf(setting);
  const counts = stepCounts(part(columns, answers));
  const divisor = method.divisor(counts);
  const update = { method, options: setting.recipe.method, columns, counts, divisor };
  const parts: LossOutput[] = [];
  for (const group of microBatches(sequences, answers, setting.microBatchTokens)) {
    const output = await trainGroup(passesOf(setting), sequences, group, update);
    if (!Number.isFinite(output.lossSum)) {
      await Promise.all(setsOf(setting).map((set) => setting.native.zeroGradients(set)));
      throw notFinite(`the loss is ${output.lossSum}`, place);
    }
    parts.push(output);
  }
  return { parts, divisor, norm: await move(setting, place) };
}

/** Adapters that are moved. */
const setsOf = ({ value }: RolloutSetting) => (value === 'adapter' ? [undefined, VALUE] : [undefined]);

/** Moves the weights by the gradients that are there, and returns their norm before clipping. */
async function move(setting: RolloutSetting, place: UpdatePlace): Promise<number> {
  const { native, recipe } = setting;
  let squares = 0;
  for (const set of setsOf(setting)) squares += (await native.gradientNorm(set)) ** 2;
  const norm = Math.sqrt(squares);
  if (!Number.isFinite(norm)) throw notFinite(`the gradient norm is ${norm}`, place);
  const { clip, weightDecay, betas } = recipe.train;
  const scale = clip > 0 ? Math.min(1, clip / norm) : 1;
  const optimizer = {
    learningRate: place.learningRate,
    beta1: betas[0],
    beta2: betas[1],
    eps: 1e-8,
    weightDecay,
    scale,
    step: place.update,
  };
  for (const set of setsOf(setting)) await native.step(optimizer, set);
  return norm;
}

/** Prompts named in a message. */
const MOST_NAMED = 6;

function notFinite(what: string, { step, prompts }: UpdatePlace): WorkError {
  const places = [...new Set(prompts.map(({ file, line }) => `${file}:${line}`))];
  const more = places.length > MOST_NAMED ? ` and ${places.length - MOST_NAMED} more` : '';
  const named = places.slice(0, MOST_NAMED).join(', ');
  return new WorkError('loss_not_finite', `${what} at step ${step}, in answers to ${named}${more}; lower train.learningRate`);
}
