/** Passes over a step's answers: log-probabilities and values of the policy, log-probabilities of the reference, and one micro-batch of training. */
import { microBatches, type Packable, type PackedBatch, packBatch } from '../data/index.js';
import { type Columns, type LossOutput, type Method, type Numbers, part, type SequenceInput } from '../methods/index.js';
import type { ForwardOptions, NativeModel } from '../native.js';
import type { MethodOptions } from '../options/index.js';
import type { Reference } from './reference.js';

/** Name of the adapter that carries the value head, where it has one of its own. */
export const VALUE = 'value';

/** Where the value head sits: on the policy, on an adapter of its own, or nowhere. */
export type ValuePlace = 'shared' | 'adapter' | undefined;

export interface Passes {
  native: NativeModel;
  value: ValuePlace;
  /** What logits are divided by, the reference's too. */
  temperature: number;
  microBatchTokens: number;
}

/** (N) each, in the order of the answers. */
export interface Looked {
  logprob: Numbers;
  value?: Numbers;
}

/** Positions with a target: the state before a token is what its value is read from. */
const valueRows = ({ targets }: PackedBatch) => Int32Array.from(targets.keys()).filter((i) => (targets[i] as number) >= 0);

/** The same tokens with scores alone. */
const scoresOnly = (batch: PackedBatch) => ({
  ...batch,
  targets: new Int32Array(batch.targets.length).fill(-1),
  scoreRows: valueRows(batch),
});

const batchOf = (value: ValuePlace, batch: PackedBatch) => (value === 'shared' ? { ...batch, scoreRows: valueRows(batch) } : batch);

/** What the policy says of all answers, nothing kept. */
export async function policyLook(passes: Passes, answers: readonly Packable[]): Promise<Looked> {
  const { native, value, temperature } = passes;
  const [logprob, values]: [Float32Array[], Float32Array[]] = [[], []];
  for (const batch of batches(passes, answers)) {
    const result = await native.forward(batchOf(value, batch), { temperature });
    logprob.push(result.logprob);
    if (value !== undefined) values.push(result.score ?? (await valuesOf(native, batch)));
  }
  return { logprob: joined(logprob), ...(value !== undefined && { value: joined(values) }) };
}

/** (N) log-probabilities of the reference. */
export async function referenceLook(passes: Passes, { native, adapter }: Reference, answers: readonly Packable[]): Promise<Float32Array> {
  const found: Float32Array[] = [];
  const options: ForwardOptions = { temperature: passes.temperature, adapter };
  for (const batch of batches(passes, answers)) found.push((await native.forward(batch, options)).logprob);
  return joined(found);
}

const valuesOf = async (native: NativeModel, batch: PackedBatch, keep = false) =>
  (await native.forward(scoresOnly(batch), { adapter: VALUE, keep })).score as Float32Array;

function batches({ microBatchTokens }: Passes, answers: readonly Packable[]): PackedBatch[] {
  return microBatches(answers, [...answers.keys()], microBatchTokens).map((group) => packBatch(answers, group));
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of parts) {
    whole.set(one, at);
    at += one.length;
  }
  return whole;
}

/** What a micro-batch is told of its update. */
export interface Update {
  method: Method<MethodOptions, SequenceInput>;
  options: MethodOptions;
  /** Of the whole step. */
  columns: Columns;
  counts: SequenceInput['counts'];
  divisor: number;
}

/** Forward, loss and backward of the answers at `group`; gradients are added to those already there. A loss that is no number has no backward. */
export async function trainGroup(passes: Passes, answers: readonly Packable[], group: Int32Array, update: Update): Promise<LossOutput> {
  const { native, value, temperature } = passes;
  const { method, options, columns, counts, divisor } = update;
  const batch = packBatch(answers, group);
  const ahead = value === 'adapter' ? { value: await valuesOf(native, batch) } : {};
  const entropy = method.outputs(options).includes('entropy');
  const { score, ...result } = await native.forward(batchOf(value, batch), { keep: true, temperature, entropy });
  const figures = { ...result, ...ahead, ...(score && { value: score }) };
  const output = method.loss({ ...part(columns, group), ...figures, counts, divisor }, options);
  if (!Number.isFinite(output.lossSum)) return output;
  const { value: byValue, ...gradient } = output.gradient;
  await native.backward({ ...gradient, ...(value === 'shared' && byValue && { score: byValue }) });
  if (value === 'adapter' && byValue !== undefined) {
    await valuesOf(native, batch, true);
    await native.backward({ logprob: new Float32Array(0), score: byValue });
  }
  return output;
}
