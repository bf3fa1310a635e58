/** What a step comes to, known before its first micro-batch: the divisors of every method are among these figures. */
import type { Tokens } from './types.js';
import { isBetter, rankedPairs, unitStarts } from './units.js';

export interface StepSums {
  sequences: number;
  tokens: number;
  trainedTokens: number;
  units: number;
  pairs: number;
  /** Units with a better and a worse answer: rankings, and pairs, which are rankings of two. */
  rankings: number;
  thumbsUp: number;
  thumbsDown: number;
  /** Trained tokens of all answers that are better than another one (for pairs, of the chosen ones). */
  chosenTokens: number;
  /** Their prompts and trained tokens together, all but the first token of each. */
  wholeChosenTokens: number;
}

type Member = Pick<Tokens, 'ids' | 'trained' | 'trainedTokens' | 'unit' | 'member'>;

/** Sums over the sequences at `rows`. */
export function stepSums(sequences: readonly Member[], rows: ArrayLike<number>): StepSums {
  const members = Array.from(rows, (row) => sequences[row] as Member);
  const heads = Array.from(unitStarts(members).subarray(0, -1), (start) => members[start]?.unit);
  const better = members.filter(({ unit, member = 0 }) => unit !== undefined && isBetter(unit, member));
  const sum = (of: readonly Member[], value: (one: Member) => number) => of.reduce((total, one) => total + value(one), 0);
  const pairs = heads.map((unit) => (unit === undefined ? 0 : rankedPairs(unit.ranks).length));
  return {
    sequences: members.length,
    tokens: sum(members, ({ ids }) => ids.length),
    trainedTokens: sum(members, ({ trainedTokens }) => trainedTokens),
    units: heads.length,
    pairs: pairs.reduce((total, n) => total + n, 0),
    rankings: pairs.filter((n) => n > 0).length,
    thumbsUp: heads.filter((unit) => unit?.label === true).length,
    thumbsDown: heads.filter((unit) => unit?.label === false).length,
    chosenTokens: sum(better, ({ trainedTokens }) => trainedTokens),
    wholeChosenTokens: sum(better, ({ trained }) => trained.lastIndexOf(1)),
  };
}
