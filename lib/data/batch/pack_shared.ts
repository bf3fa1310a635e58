/**
 * The shared form of a batch: what all sequences of a unit begin with lies in it once, and is computed once. Symbols: L stretches laid end to end,
 * S sequences, N tokens, T targets.
 * Keys of dropout: a token is of the first sequence of its unit that it belongs to.
 */

import { unitStarts } from '../sequences/units.js';
import { type Packable, type PackRules, scoredToken, targetsOf } from './columns.js';

/**
 * A stretch is a sequence, or the common beginning of a unit's sequences and then what is left of each of them, its branches. A branch sees the
 * beginning and itself, not the branches beside it, and its positions go on from the beginning's. Targets are told by row and id, as the last
 * token of a beginning predicts the first of every branch; they stand in the order of `packBatch`, and so do log-probabilities.
 */
export interface SharedBatch {
  /** (N) ids. */
  tokens: Int32Array;
  /** (N) position of each token in its own sequence, from 0. */
  positions: Int32Array;
  /** (L + 1) index of each stretch's first token, and N. */
  sequenceStarts: Int32Array;
  /** (N) what each token does not see of its stretch, from and to: the branches before its own. Equal for a beginning, and where nothing is shared. */
  hiddenFrom: Int32Array;
  hiddenTo: Int32Array;
  /** (N) the first sequence that a token belongs to, counted in the batch. */
  sequenceOf: Int32Array;
  /** (N) -1 throughout: `targetRows` and `targetIds` stand in its place. */
  targets: Int32Array;
  /** (T) index of the token that predicts each target. */
  targetRows: Int32Array;
  /** (T) id of each target. */
  targetIds: Int32Array;
  /** T. */
  trainedTokens: number;
  /** (S) index of the token at which each sequence is scored. */
  scoreAt: Int32Array;
}

type Sized = Pick<Packable, 'ids' | 'unit' | 'member'>;

/** Tokens with which all sequences of a unit begin, at least one less than any of them has: each keeps a branch of its own. */
export function sharedLength(members: readonly Pick<Packable, 'ids'>[]): number {
  const [first] = members;
  if (first === undefined || members.length < 2) return 0;
  let length = Math.max(0, Math.min(...members.map(({ ids }) => ids.length)) - 1);
  for (const { ids } of members) {
    let same = 0;
    while (same < length && ids[same] === first.ids[same]) same++;
    length = same;
  }
  return length;
}

/** Tokens of a unit's sequences, what they share counted once. */
export function sharedTokens(members: readonly Pick<Packable, 'ids'>[]): number {
  const whole = members.reduce((sum, { ids }) => sum + ids.length, 0);
  return whole - (members.length - 1) * sharedLength(members);
}

/** What each unit comes to. */
function unitSizes(sequences: readonly Sized[]): number[] {
  const starts = unitStarts(sequences);
  return Array.from(starts.subarray(0, -1), (start, n) => sharedTokens(sequences.slice(start, starts[n + 1])));
}

/** The most that a unit comes to: what a micro-batch must have room for. */
export const largestSharedUnit = (sequences: readonly Sized[]) => unitSizes(sequences).reduce((most, size) => Math.max(most, size), 0);

/** What all units come to: the tokens of one pass over the sequences. */
export const sharedTokensOf = (sequences: readonly Sized[]) => unitSizes(sequences).reduce((sum, size) => sum + size, 0);

/** Where a sequence lies: its first `shared` tokens from `beginning` on, the others from `branch` on. */
interface Place {
  shared: number;
  beginning: number;
  branch: number;
}

type FiveColumns = [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];

/** The sequences at `rows`, in that order, as one batch in the shared form. */
export function packShared(sequences: readonly Packable[], rows: ArrayLike<number>, rules: PackRules = {}): SharedBatch {
  const members = Array.from(rows, (row) => sequences[row] as Packable);
  const { places, sequenceStarts } = placed(members);
  const size = sequenceStarts.at(-1) ?? 0;
  const [tokens, positions, hiddenFrom, hiddenTo, sequenceOf] = Array.from({ length: 5 }, () => new Int32Array(size)) as FiveColumns;
  const place = (n: number, i: number) => {
    const { shared, beginning, branch } = places[n] as Place;
    return i < shared ? beginning + i : branch + i - shared;
  };
  const targets: { row: number; id: number }[] = [];
  for (const [n, member] of members.entries()) {
    const { shared, beginning, branch } = places[n] as Place;
    const [isFirst, own] = [branch === beginning + shared, [branch, branch + member.ids.length - shared] as const];
    if (isFirst) sequenceOf.fill(n, beginning, branch);
    sequenceOf.fill(n, ...own);
    hiddenFrom.fill(beginning + shared, ...own);
    hiddenTo.fill(branch, ...own);
    for (const [i, id] of member.ids.entries()) {
      tokens[place(n, i)] = id;
      positions[place(n, i)] = i;
    }
    for (const i of targetsOf(member, rules)) {
      const [from, id] = member.targets === undefined ? [i - 1, member.ids[i]] : [i, member.targets[i]];
      targets.push({ row: place(n, from), id: id as number });
    }
  }
  return {
    tokens,
    positions,
    sequenceStarts: Int32Array.from(sequenceStarts),
    ...{ hiddenFrom, hiddenTo, sequenceOf },
    targets: new Int32Array(size).fill(-1),
    targetRows: Int32Array.from(targets, ({ row }) => row),
    targetIds: Int32Array.from(targets, ({ id }) => id),
    trainedTokens: targets.length,
    scoreAt: Int32Array.from(members, (member, n) => place(n, scoredToken(member))),
  };
}

function placed(members: readonly Packable[]): { places: Place[]; sequenceStarts: number[] } {
  const places: Place[] = [];
  const sequenceStarts = [0];
  const starts = unitStarts(members);
  let at = 0;
  for (const [unit, first] of starts.subarray(0, -1).entries()) {
    const own = members.slice(first, starts[unit + 1]);
    const [shared, beginning] = [sharedLength(own), at];
    at += shared;
    for (const { ids } of own) {
      // Without a shared beginning each sequence is a stretch by itself, which no other's tokens may hide from.
      places.push({ shared, beginning: shared > 0 ? beginning : at, branch: at });
      at += ids.length - shared;
      if (shared === 0) sequenceStarts.push(at);
    }
    if (shared > 0) sequenceStarts.push(at);
  }
  return { places, sequenceStarts };
}
