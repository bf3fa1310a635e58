/**
 * What methods read of a step or a micro-batch beside log-probabilities: which sequences belong together, and what is said of them.
 * Symbols: S sequences in the order of the rows asked for, N their targets in that order.
 */

import { isBetter, unitStarts } from '../sequences/units.js';
import type { Tokens } from '../types.js';
import type { BatchColumns } from './batch.js';

/** What is packed of a sequence. */
export type Packable = Pick<Tokens, 'ids' | 'trained' | 'targets' | 'layout' | 'unit' | 'member'>;

export interface PackRules {
  /** Train the best answer of a pair or ranking with its prompt, all but the first token: a likelihood over both. Default false. */
  wholeChosen?: boolean;
}

/** The columns of the sequences at `rows`, a whole step or a part of it. */
export function columnsOf(sequences: readonly Packable[], rows: ArrayLike<number>, rules: PackRules = {}): BatchColumns {
  const members = Array.from(rows, (row) => sequences[row] as Packable);
  const starts = unitStarts(members);
  const group = new Int32Array(members.length);
  for (const [unit, start] of starts.subarray(0, -1).entries()) group.fill(unit, start, starts[unit + 1]);
  const sequenceStarts = new Int32Array(members.length + 1);
  for (const [n, member] of members.entries()) sequenceStarts[n + 1] = (sequenceStarts[n] ?? 0) + targetsOf(member, rules).length;
  const [compares, labels] = [
    members.some(({ unit }) => (unit?.ranks.length ?? 0) > 1),
    members.some(({ unit }) => unit?.label !== undefined),
  ];
  return {
    sequenceStarts,
    group,
    ...(compares && { rank: Float64Array.from(members, rankOf), margin: Float64Array.from(members, marginOf) }),
    ...(labels && { label: Float64Array.from(members, ({ unit }) => Number(unit?.label ?? false)) }),
    ...(rules.wholeChosen && {
      promptTokens: Int32Array.from(members, (member) => targetsOf(member, rules).length - targetsOf(member, {}).length),
    }),
  };
}

const rankOf = ({ unit, member = 0 }: Packable) => 1 + (unit?.ranks[member] ?? 0);
const marginOf = ({ unit, member }: Packable) => (member === 0 ? (unit?.margin ?? 0) : 0);

/**
 * Indices of the tokens of a sequence that are to be predicted; the first one has no token before it to be predicted from, but may be predicted
 * where it is hidden.
 */
export function targetsOf({ ids, trained, targets, unit, member }: Packable, { wholeChosen = false }: PackRules): number[] {
  if (targets !== undefined) return Array.from(targets.keys()).filter((i) => (targets[i] as number) >= 0);
  const whole = wholeChosen && member === 0 && unit !== undefined && isBetter(unit, 0);
  const [end, found] = [whole ? trained.lastIndexOf(1) + 1 : ids.length, [] as number[]];
  for (let i = 1; i < end; i++) if (whole || trained[i] === 1) found.push(i);
  return found;
}

/** Where a sequence is scored: at its last trained token, the end token of a whole answer. */
export const scoredToken = ({ ids, trained }: Packable) => (trained.includes(1) ? trained.lastIndexOf(1) : ids.length - 1);
