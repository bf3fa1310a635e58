/** Units: sequences that a method weighs against each other, or judges as one. */
import type { Tokens } from './types.js';

/**
 * `pair`: chosen and rejected. `ranking`: answers to one prompt, best first. `thumb`: one answer, good or bad. `prompt`: one that answers are
 * to be sampled for. `stepwise`: one answer in judged steps.
 */
export type UnitKind = 'pair' | 'ranking' | 'thumb' | 'prompt' | 'stepwise';

/** Sequences that belong together: they follow each other in a data set, and stay together in a step and in a micro-batch. */
export interface Unit {
  kind: UnitKind;
  /** Its number in the data set, from 0: what groups of answers are known by. */
  number: number;
  /** What `rowsPerStep` counts it as: 1, or the pairs of a ranking. */
  rows: number;
  /** Place of each of its sequences, 0 the best; ties share a place. */
  ranks: readonly number[];
  /** Thumb up or down. */
  label?: boolean;
  /** By how much the first is better than the second; 0 where nothing is said. */
  margin: number;
  /** Text of a prompt that answers are to be sampled for, as the model sees it. */
  prompt?: string;
  /** Columns of the row: all of them for a prompt, else the scores. */
  columns: Readonly<Record<string, unknown>>;
}

export interface JudgedSteps {
  /** Index of the last token of each step, where it is judged. */
  ends: Int32Array;
  /** 1 right, 0 wrong. */
  labels: Uint8Array;
}

type Member = Pick<Tokens, 'unit' | 'member'>;

/** Whether `next` goes on with the unit of `before`: a later sequence of it. A unit that comes twice in a row is two. */
function goesOn(before: Member | undefined, next: Member | undefined): boolean {
  return next?.unit !== undefined && next.unit === before?.unit && (next.member ?? 0) > (before.member ?? 0);
}

/** Where each unit begins among `sequences`, and their number. A sequence without a unit is one by itself. */
export function unitStarts(sequences: readonly Member[]): Int32Array {
  const starts: number[] = [];
  for (const [n, next] of sequences.entries()) if (!goesOn(sequences[n - 1], next)) starts.push(n);
  return Int32Array.from([...starts, sequences.length]);
}

/** Pairs of places in a ranking, the better one first: best with second, best with third, … Ties make none. */
export function rankedPairs(ranks: readonly number[]): [better: number, worse: number][] {
  return ranks.flatMap((rank, a) => ranks.flatMap((other, b): [number, number][] => (rank < other ? [[a, b]] : [])));
}

/** Whether an answer of a unit is better than another one of it. */
export const isBetter = ({ ranks }: Unit, member: number) => ranks.some((rank) => (ranks[member] ?? 0) < rank);

/** Tokens of the largest unit: what a micro-batch must have room for. */
export function largestUnit(sequences: readonly (Member & Pick<Tokens, 'ids'>)[]): number {
  let [size, most] = [0, 0];
  for (const [n, next] of sequences.entries()) {
    size = goesOn(sequences[n - 1], next) ? size + next.ids.length : next.ids.length;
    most = Math.max(most, size);
  }
  return most;
}
