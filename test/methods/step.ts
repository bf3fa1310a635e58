/** A step as the training loop would run it, without a model: columns, `prepare`, micro-batches, totals. */
import type {
  Columns,
  LossOutput,
  Method,
  MethodName,
  MethodState,
  Numbers,
  Output,
  Prepared,
  SequenceInput,
} from '../../lib/methods/index.js';
import { methods, part, stepCounts, stepTotals } from '../../lib/methods/index.js';

/** Native outputs of the whole step; `score` has one figure a sequence, `candidates` K a token. */
export type Outputs = { logprob: Numbers } & Partial<Record<Output, Numbers>>;

/** Any method, for calls with what a test has put together. */
export type AnyMethod = Method<Record<string, unknown>, SequenceInput>;
export const methodOf = (name: MethodName) => methods[name] as unknown as AnyMethod;

/** What a method takes as options, with its defaults. */
export function optionsOf(name: MethodName, given: object = {}): Record<string, unknown> {
  const needed = { ppo: REWARDS, grpo: REWARDS, rloo: REWARDS, distill: { teacher: 'x' } } as Partial<Record<MethodName, object>>;
  return methodOf(name).options.parse({ name, ...needed[name], ...given });
}
const REWARDS = { rewards: [{ function: 'a.mjs#b' }] };

/** Rows of figures end to end. */
export const flat = (rows: readonly ArrayLike<number>[]) => Float64Array.from(rows.flatMap((row) => Array.from(row)));

/** The layout of rows of figures. */
export function layout(rows: readonly ArrayLike<number>[], group: ArrayLike<number>): Columns {
  const sequenceStarts = new Int32Array(rows.length + 1);
  rows.forEach((row, s) => {
    sequenceStarts[s + 1] = sequenceStarts[s]! + row.length;
  });
  return { sequenceStarts, group: Int32Array.from(group) };
}

export interface StepInput {
  columns: Columns;
  /** Outputs at the time of `loss`; and, where they differ, at the time of `prepare`. */
  outputs: Outputs;
  ahead?: Outputs;
  state?: MethodState;
}

/** `prepare` of a whole step -> its columns, all of them. */
export function prepareStep(
  name: MethodName,
  options: Record<string, unknown>,
  { columns, outputs, ahead = outputs, state = {} }: StepInput,
) {
  const method = methodOf(name);
  const counts = stepCounts(columns);
  const seen = method.looksAhead?.(options) ? ahead : {};
  const input = { ...columns, ...seen, counts, divisor: method.divisor(counts) } as SequenceInput;
  const prepared: Prepared = method.prepare?.(input, options, state) ?? { columns: {}, metrics: {} };
  return { prepared, columns: { ...columns, ...prepared.columns } as Columns };
}

/** One step in micro-batches of the sequences in `split`; default all at once. */
export function runStep(name: MethodName, options: Record<string, unknown>, step: StepInput, split?: readonly number[][]) {
  const method = methodOf(name);
  const { prepared, columns } = prepareStep(name, options, step);
  const counts = stepCounts(columns);
  const divisor = method.divisor(counts);
  const all = Array.from(columns.group.keys());
  const parts = (split ?? [all]).map((sequences) => {
    const micro = part(columns, sequences);
    return { sequences, output: method.loss({ ...micro, ...outputsOf(step, sequences), counts, divisor }, options) };
  });
  const totals = stepTotals([prepared, ...parts.map(({ output }) => output)], divisor);
  return { ...totals, gradient: gathered(columns, parts), columns, prepared };
}

/** `loss` alone, of columns that hold already what `prepare` would make. */
export function lossOf(name: MethodName, options: Record<string, unknown>, columns: Columns, outputs: Outputs) {
  const method = methodOf(name);
  const counts = stepCounts(columns);
  const divisor = method.divisor(counts);
  const { lossSum, gradient, metrics } = method.loss({ ...columns, ...outputs, counts, divisor }, options);
  return { ...stepTotals([{ lossSum, metrics }], divisor), gradient };
}

/** Outputs of some sequences, as the native side would give them for a micro-batch. */
function outputsOf({ columns, outputs }: StepInput, sequences: readonly number[]): Outputs {
  const { sequenceStarts, group } = columns;
  const pick = (output: string, values: Numbers) => {
    const width = output === 'score' ? 0 : values.length / Math.max(1, sequenceStarts.at(-1)!);
    const rows = sequences.map((s) =>
      output === 'score' ? values.subarray(s, s + 1) : values.subarray(width * sequenceStarts[s]!, width * sequenceStarts[s + 1]!),
    );
    return flat(rows);
  };
  if (group.length === 0) return outputs;
  return Object.fromEntries(Object.entries(outputs).map(([name, values]) => [name, pick(name, values)])) as Outputs;
}

/** Gradients of all micro-batches, back in the order of the step: by output, a list a sequence. */
function gathered(columns: Columns, parts: readonly { sequences: readonly number[]; output: LossOutput }[]): Record<string, number[][]> {
  const found: Record<string, number[][]> = {};
  for (const { sequences, output } of parts) {
    const lengths = sequences.map((s) => columns.sequenceStarts[s + 1]! - columns.sequenceStarts[s]!);
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    for (const [name, values] of Object.entries(output.gradient)) {
      const width = name === 'score' ? 0 : values.length / Math.max(1, tokens);
      let at = 0;
      sequences.forEach((s, n) => {
        const size = name === 'score' ? 1 : width * lengths[n]!;
        found[name] ??= [];
        found[name][s] = Array.from(values.subarray(at, at + size));
        at += size;
      });
    }
  }
  return found;
}
