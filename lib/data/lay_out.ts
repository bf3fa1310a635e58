/** Stretches of sequences laid end to end: what the plain and the shared form of a batch have in common. */
import { batchUnits } from './batch_units.js';
import type { PackedBatch, Tokens } from './types.js';
import { isBetter } from './units.js';

/** What is packed of a sequence. */
export type Packable = Pick<Tokens, 'ids' | 'trained' | 'unit' | 'member' | 'steps'>;

export interface PackRules {
  /** Train answers that are better than another one with their prompts, all but the first token: a likelihood over both. Default false. */
  wholeChosen?: boolean;
}

/** A part [start, end) of a sequence in one piece. */
export interface Stretch {
  /** Place of the sequence among those packed. */
  sequence: number;
  start: number;
  end: number;
  /** Index of the sequence in the data set; -1 for a beginning that others share. */
  row: number;
}

/** Lays out stretches of `chosen`. Those of one sequence follow each other up to its end; each sequence has one with its row. */
export function layOut(chosen: readonly Packable[], stretches: readonly Stretch[], rules: PackRules): PackedBatch {
  const size = stretches.reduce((sum, { start, end }) => sum + end - start, 0);
  const batch: PackedBatch = {
    tokens: new Int32Array(size),
    positions: new Int32Array(size),
    sequenceStarts: new Int32Array(stretches.length + 1),
    targets: new Int32Array(size).fill(-1),
    sequenceOf: new Int32Array(size),
    rowOf: Int32Array.from(stretches, ({ row }) => row),
    trainedTokens: 0,
  };
  const flags = chosen.map((sequence) => targetFlags(sequence, rules));
  /** Index in the batch that the sequence's first token has, or would have in front of its last stretch. */
  const origins = new Int32Array(chosen.length);
  let at = 0;
  for (const [n, { sequence, start, end }] of stretches.entries()) {
    const { ids } = chosen[sequence] as Packable;
    batch.tokens.set(ids.subarray(start, end), at);
    batch.sequenceOf.fill(n, at, at + end - start);
    origins[sequence] = at - start;
    for (let i = start; i < end; i++, at++) {
      batch.positions[at] = i;
      if (flags[sequence]?.[i + 1] !== 1) continue;
      batch.targets[at] = ids[i + 1] as number;
      batch.trainedTokens++;
    }
    batch.sequenceStarts[n + 1] = at;
  }
  return chosen.some(({ unit }) => unit !== undefined) ? { ...batch, units: batchUnits(chosen, flags, origins) } : batch;
}

/** 1 for each token that is to be predicted, the first aside, which has no token before it to be predicted from. */
export function targetFlags({ ids, trained, unit, member }: Packable, { wholeChosen = false }: PackRules): Uint8Array {
  if (!wholeChosen || unit === undefined || !isBetter(unit, member ?? 0)) return trained;
  return new Uint8Array(ids.length).fill(1, 1, trained.lastIndexOf(1) + 1);
}
