/** One step: forward, loss and backward of every micro-batch, then one update. */
import { microBatches, packBatch, type Tokens } from '../data/index.js';
import { WorkError } from '../errors/index.js';
import { type LossOutput, type Method, methods, stepTotals } from '../methods/index.js';
import { addon, type NativeModel } from '../native.js';
import type { MethodOptions, Recipe } from '../options/index.js';
import type { StepEvent } from './events.js';

/** What a step works with. */
export interface StepSetting {
  native: NativeModel;
  recipe: Recipe;
  sequences: readonly Tokens[];
  microBatchTokens: number;
  /** Share of an adapter's inputs that is dropped. */
  dropout: number;
}

/**
 * Takes step `step` (from 1) over the sequences at `rows`. The step's one divisor is known before its first micro-batch, so that any split gives
 * the same gradient.
 * @throws WorkError `loss_not_finite` with the step and its rows; the weights are then as before the step
 */
export async function takeStep(setting: StepSetting, step: number, rows: Int32Array, learningRate: number): Promise<StepEvent> {
  const { native, recipe, sequences } = setting;
  const start = performance.now();
  const { parts, divisor, trainedTokens } = await gradients(setting, step, rows);
  const norm = await native.gradientNorm();
  if (!Number.isFinite(norm))
    throw notFinite(
      `the gradient norm is ${norm}`,
      step,
      Array.from(rows, (row) => sequences[row] as Tokens),
    );
  const { clip, weightDecay, betas } = recipe.train;
  const scale = clip > 0 ? Math.min(1, clip / norm) : 1;
  await native.step({ learningRate, beta1: betas[0], beta2: betas[1], eps: 1e-8, weightDecay, scale, step });
  const { loss, metrics } = stepTotals(parts, divisor);
  const tokens = rows.reduce((sum, row) => sum + (sequences[row]?.ids.length ?? 0), 0);
  const tokensPerSecond = tokens / ((performance.now() - start) / 1000);
  const memoryMiB = Math.round(addon().residentMemory().now / 2 ** 20);
  return { event: 'step', step, loss, learningRate, gradientNorm: norm, tokens, trainedTokens, tokensPerSecond, memoryMiB, ...metrics };
}

async function gradients(setting: StepSetting, step: number, rows: Int32Array) {
  const { recipe, sequences, microBatchTokens } = setting;
  const method = methods[recipe.method.name] as Method<MethodOptions>;
  const trainedTokens = rows.reduce((sum, row) => sum + (sequences[row]?.trainedTokens ?? 0), 0);
  const divisor = method.divisor({ trainedTokens, sequences: rows.length });
  const parts: LossOutput[] = [];
  let first = 0;
  for (const group of microBatches(sequences, rows, microBatchTokens)) {
    parts.push(await microBatch(setting, method, step, group, first, divisor));
    first += group.length;
  }
  return { parts, divisor, trainedTokens };
}

/** @param first place of the group's first sequence in the step: dropout follows the place in the step, not in the micro-batch */
async function microBatch(
  { native, recipe, sequences, dropout }: StepSetting,
  method: Method<MethodOptions>,
  step: number,
  group: Int32Array,
  first: number,
  divisor: number,
): Promise<LossOutput> {
  const batch = { ...packBatch(sequences, group), sequenceKeys: Int32Array.from(group, (_row, n) => first + n) };
  const outputs = method.outputs(recipe.method);
  const key = dropout > 0 ? { dropoutKey: dropoutKey(recipe.train.seed, step) } : {};
  const result = await native.forward(batch, { keep: true, entropy: outputs.includes('entropy'), mean: outputs.includes('mean'), ...key });
  const loss = method.loss({ ...result, divisor }, recipe.method);
  if (!Number.isFinite(loss.lossSum)) {
    await native.zeroGradients();
    throw notFinite(`the loss is ${loss.lossSum}`, step, faultyRows(result.logprob, sequences, group));
  }
  await native.backward(loss.gradient);
  return loss;
}

/** A whole number below 2⁵³ from the seed and the step. */
const dropoutKey = (seed: number, step: number) => seed * 2 ** 21 + (step % 2 ** 21);

/** Sequences with a log-probability that is no number; all of the group if each by itself is one. */
function faultyRows(logprob: Float32Array, sequences: readonly Tokens[], group: Int32Array): Tokens[] {
  let at = 0;
  const all = Array.from(group, (row) => sequences[row] as Tokens);
  const faulty = all.filter(({ trainedTokens }) => {
    const own = logprob.subarray(at, at + trainedTokens);
    at += trainedTokens;
    return own.some((value) => !Number.isFinite(value));
  });
  return faulty.length > 0 ? faulty : all;
}

/** Rows named in a message. */
const MOST_NAMED = 6;

function notFinite(what: string, step: number, rows: readonly Tokens[]): WorkError {
  const places = [...new Set(rows.map(({ file, line }) => `${file}:${line}`))];
  const more = places.length > MOST_NAMED ? ` and ${places.length - MOST_NAMED} more` : '';
  const named = places.slice(0, MOST_NAMED).join(', ');
  return new WorkError('loss_not_finite', `${what} at step ${step}, in ${named}${more}; lower train.learningRate, or look at these rows`);
}
