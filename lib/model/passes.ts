/** The native side as methods see it: figures of the trained tokens of some sequences, and gradients on their way back. */
import type { PackRules } from '../data/index.js';
import type { Columns, LossInput, LossOutput, Output } from '../methods/index.js';
import type { BackwardGradients, NativeModel } from '../native.js';
import { cutInto, membersAt, type PassSequence, passBatch } from './batches.js';

/** What came out, in the order of the sequences. */
export type Figures = Pick<LossInput, 'logprob' | 'lse' | 'entropy' | 'mean' | 'value' | 'candidates' | 'score'>;

export interface PassOptions {
  /** Which figures beside log-probabilities. A method that reads scores gets those alone. */
  outputs?: readonly Output[];
  /** Values without log-probabilities. */
  valueAlone?: boolean;
  /** What logits are divided by; default 1. */
  temperature?: number | undefined;
  rules?: PackRules;
  /** Keep what `backward` needs. */
  keep?: boolean;
  /** The set that computes; default the trained one, false: the base alone. */
  adapter?: string | false | undefined;
  /** Dropout's key, and the place of each sequence in its step: the same mask however the step is cut. */
  dropout?: { key: number; places: Int32Array } | undefined;
}

/** One forward pass over sequences laid end to end. */
export async function forwardPass(native: NativeModel, sequences: readonly PassSequence[], options: PassOptions = {}): Promise<Figures> {
  const { outputs = [], valueAlone = false, rules, keep = false, adapter, dropout, temperature } = options;
  const { scoreAt, predicting, ...batch } = passBatch(native, sequences, rules, dropout?.places);
  if (outputs.includes('candidates')) batch.candidates = Int32Array.from(sequences.flatMap(({ candidates = [] }) => [...candidates]));
  if (outputs.includes('score')) batch.scoreRows = scoreAt;
  if (outputs.includes('value')) batch.scoreRows = predicting;
  if (outputs.includes('score') || valueAlone) {
    batch.targets = new Int32Array(batch.tokens.length).fill(-1);
    for (const name of ['targetRows', 'targetIds'] as const) delete batch[name];
  }
  const { score, ...figures } = await native.forward(batch, {
    keep,
    entropy: outputs.includes('entropy'),
    mean: outputs.includes('mean'),
    ...(adapter !== undefined && { adapter }),
    ...(temperature !== undefined && { temperature }),
    ...(dropout && { dropoutKey: dropout.key }),
  });
  return { ...figures, ...(score && { [outputs.includes('value') ? 'value' : 'score']: score }) };
}

/** Sends the gradients of the last pass that was kept. */
export async function backwardPass(native: NativeModel, { logprob, ...others }: LossOutput['gradient']): Promise<void> {
  const gradients: BackwardGradients = { logprob };
  for (const name of ['lse', 'entropy', 'mean', 'candidates'] as const) if (others[name] !== undefined) gradients[name] = others[name];
  const score = others.score ?? others.value;
  await native.backward(score === undefined ? gradients : { ...gradients, score });
}

/** Passes over any number of sequences, so many tokens at a time; units stay whole. Each is told of the places of its sequences. */
export async function forwardAll(
  native: NativeModel,
  sequences: readonly PassSequence[],
  passTokens: number,
  optionsOf: (places: Int32Array) => PassOptions = () => ({}),
): Promise<Figures> {
  const parts: Figures[] = [];
  for (const places of cutInto(native, sequences, passTokens))
    parts.push(await forwardPass(native, membersAt(sequences, places), optionsOf(places)));
  return joined(parts);
}

/** Figures of several passes end to end. */
function joined(parts: readonly Figures[]): Figures {
  const whole = (name: keyof Figures) => {
    const all = parts.map((part) => part[name] ?? new Float32Array(0));
    const values = new Float32Array(all.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const one of all) {
      values.set(one, at);
      at += one.length;
    }
    return values;
  };
  const names = Object.keys(parts[0] ?? {}).filter((name) => name !== 'logprob') as (keyof Figures)[];
  return { ...Object.fromEntries(names.map((name) => [name, whole(name)])), logprob: whole('logprob') };
}

/** (S) sum of (N) figures over each sequence. */
export function sequenceSums({ sequenceStarts }: Pick<Columns, 'sequenceStarts'>, values: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(sequenceStarts.length - 1);
  for (let s = 0; s < sums.length; s++)
    for (let i = sequenceStarts[s] as number; i < (sequenceStarts[s + 1] as number); i++) (sums[s] as number) += values[i] as number;
  return sums;
}
