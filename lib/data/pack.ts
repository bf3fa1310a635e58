/** Sequences laid end to end. Nothing is padded, cut or lost; a micro-batch is only a smaller number of whole units. */
import { layOut, type Packable, type PackRules } from './lay_out.js';
import { sharedLength } from './pack_shared.js';
import type { PackedBatch } from './types.js';
import { unitStarts } from './units.js';

/**
 * Consecutive groups of `rows`, each of at most `budget` tokens; a unit larger than the budget is a group of its own (a sequence without a unit is
 * one by itself). However a step is grouped, its loss and gradient are the same, because one divisor belongs to the step.
 * @param form `shared` for `packShared`: what sequences of a unit share counts once
 */
export function microBatches(
  sequences: readonly Pick<Packable, 'ids' | 'unit' | 'member'>[],
  rows: ArrayLike<number>,
  budget: number,
): Int32Array[];
export function microBatches(
  sequences: readonly Packable[],
  rows: ArrayLike<number>,
  budget: number,
  form: 'plain' | 'shared',
): Int32Array[];
export function microBatches(
  sequences: readonly Pick<Packable, 'ids' | 'unit' | 'member'>[],
  rows: ArrayLike<number>,
  budget: number,
  form: 'plain' | 'shared' = 'plain',
): Int32Array[] {
  const members = Array.from(rows, (row) => sequences[row] as Packable);
  const starts = unitStarts(members);
  const groups: number[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const [unit, start] of starts.subarray(0, -1).entries()) {
    const own = members.slice(start, starts[unit + 1]);
    const size = own.reduce((sum, { ids }) => sum + ids.length, 0) - (form === 'shared' ? (own.length - 1) * sharedLength(own) : 0);
    tokens += size;
    if (tokens > budget || groups.length === 0) {
      groups.push([]);
      tokens = size;
    }
    for (let n = start; n < start + own.length; n++) groups.at(-1)?.push(rows[n] as number);
  }
  return groups.map((group) => Int32Array.from(group));
}

/** The sequences at `rows`, in that order, as one batch. */
export function packBatch(sequences: readonly Packable[], rows: ArrayLike<number>, rules: PackRules = {}): PackedBatch {
  const chosen = Array.from(rows, (row) => sequences[row] as Packable);
  const stretches = chosen.map(({ ids }, n) => ({ sequence: n, start: 0, end: ids.length, row: rows[n] as number }));
  return layOut(chosen, stretches, rules);
}
