/** Units: sequences that a method weighs against each other, or judges as one. */
import type { Tokens, Unit } from '../types.js';

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
