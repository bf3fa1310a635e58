/** The shared form of a batch: what all sequences of a unit begin with lies in it once. */
import type { SharedBatch } from './batch_units.js';
import { layOut, type Packable, type PackRules, type Stretch, targetFlags } from './lay_out.js';
import { unitStarts } from './units.js';

/**
 * Tokens at the beginning that the sequences of a unit can share: equal in all, and so far from the first target that the token which predicts it
 * lies behind them. What a shared token predicts is then the same whatever follows it, and no two targets fall on one place. Targets inside a
 * prompt (`wholeChosen`) are allowed in the first sequence alone, to which those of the beginning belong.
 */
export function sharedLength(members: readonly Packable[], rules: PackRules = {}): number {
  const [first] = members;
  if (first === undefined || members.length < 2) return 0;
  let length = Math.min(...members.map((one, n) => beforeTarget(one.ids, n === 0 ? one.trained : targetFlags(one, rules))));
  for (const { ids } of members) {
    let same = 0;
    while (same < length && ids[same] === first.ids[same]) same++;
    length = same;
  }
  return length;
}

/** Tokens before the one that predicts the first target; without targets all but the last. */
function beforeTarget(ids: Int32Array, flags: Uint8Array): number {
  const target = flags.indexOf(1, 1);
  return Math.max(0, (target < 0 ? ids.length : target) - 1);
}

/** The sequences at `rows` as one batch in the shared form; its log-probabilities come in the order of `packBatch`. */
export function packShared(sequences: readonly Packable[], rows: ArrayLike<number>, rules: PackRules = {}): SharedBatch {
  const chosen = Array.from(rows, (row) => sequences[row] as Packable);
  const stretches: (Stretch & { parent: number })[] = [];
  const stretchOf = new Int32Array(chosen.length);
  const starts = unitStarts(chosen);
  for (const [unit, first] of starts.subarray(0, -1).entries()) {
    const members = chosen.slice(first, starts[unit + 1]);
    const start = sharedLength(members, rules);
    const parent = start === 0 ? -1 : stretches.push({ sequence: first, start: 0, end: start, row: -1, parent: -1 }) - 1;
    for (const [n, { ids }] of members.entries()) {
      const sequence = first + n;
      stretchOf[sequence] = stretches.push({ sequence, start, end: ids.length, row: rows[sequence] as number, parent }) - 1;
    }
  }
  return { ...layOut(chosen, stretches, rules), parentOf: Int32Array.from(stretches, ({ parent }) => parent), stretchOf };
}
