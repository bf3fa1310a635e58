/** Sequences laid end to end. Nothing is padded, cut or lost; a micro-batch is only a smaller number of whole units. */

import { unitStarts } from '../sequences/units.js';
import type { PackedBatch } from './batch.js';
import { type Packable, type PackRules, scoredToken, targetsOf } from './columns.js';
import { sharedTokens } from './pack_shared.js';

type Sized = Pick<Packable, 'ids' | 'unit' | 'member'>;

/**
 * Consecutive groups of `rows`, each of at most `budget` tokens; a unit larger than the budget is a group of its own (a sequence without a unit is
 * one by itself). However a step is grouped, its loss and gradient are the same, because one divisor belongs to the step.
 */
export function microBatches(sequences: readonly Sized[], rows: ArrayLike<number>, budget: number): Int32Array[] {
  return grouped(sequences, rows, budget, (members) => members.reduce((sum, { ids }) => sum + ids.length, 0));
}

/** The same for `packShared`: what the sequences of a unit share counts once. */
export function sharedMicroBatches(sequences: readonly Sized[], rows: ArrayLike<number>, budget: number): Int32Array[] {
  return grouped(sequences, rows, budget, sharedTokens);
}

function grouped<T extends Sized>(
  sequences: readonly T[],
  rows: ArrayLike<number>,
  budget: number,
  sizeOf: (members: readonly T[]) => number,
): Int32Array[] {
  const members = Array.from(rows, (row) => sequences[row] as T);
  const starts = unitStarts(members);
  const groups: number[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const [unit, start] of starts.subarray(0, -1).entries()) {
    const end = starts[unit + 1] ?? start;
    const size = sizeOf(members.slice(start, end));
    tokens += size;
    if (tokens > budget || groups.length === 0) {
      groups.push([]);
      tokens = size;
    }
    for (let n = start; n < end; n++) groups.at(-1)?.push(rows[n] as number);
  }
  return groups.map((group) => Int32Array.from(group));
}

/** The sequences at `rows`, in that order, as one batch. */
export function packBatch(sequences: readonly Packable[], rows: ArrayLike<number>, rules: PackRules = {}): PackedBatch {
  const members = Array.from(rows, (row) => sequences[row] as Packable);
  const size = members.reduce((sum, { ids }) => sum + ids.length, 0);
  const batch = {
    tokens: new Int32Array(size),
    positions: new Int32Array(size),
    hiddenFrom: new Int32Array(size),
    hiddenTo: new Int32Array(size),
    sequenceStarts: new Int32Array(members.length + 1),
    targets: new Int32Array(size).fill(-1),
  };
  let at = 0;
  for (const [n, member] of members.entries()) {
    const { ids, layout } = member;
    batch.tokens.set(ids, at);
    for (let i = 0; i < ids.length; i++) {
      batch.positions[at + i] = layout?.positions[i] ?? i;
      batch.hiddenFrom[at + i] = at + (layout?.hiddenFrom[i] ?? 0);
      batch.hiddenTo[at + i] = at + (layout?.hiddenTo[i] ?? 0);
    }
    if (member.targets !== undefined) batch.targets.set(member.targets, at);
    else for (const i of targetsOf(member, rules)) batch.targets[at + i - 1] = ids[i] as number;
    at += ids.length;
    batch.sequenceStarts[n + 1] = at;
  }
  const scoreAt = Int32Array.from(members, (member, n) => (batch.sequenceStarts[n] ?? 0) + scoredToken(member));
  return { ...batch, trainedTokens: batch.targets.reduce((sum, id) => sum + (id >= 0 ? 1 : 0), 0), scoreAt };
}
