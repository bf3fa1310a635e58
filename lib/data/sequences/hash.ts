/** The hash that tells whether rows are still the same. */
import { createHash } from 'node:crypto';
import type { Tokens } from '../types.js';

type Hashed = Pick<Tokens, 'ids' | 'trained' | 'source' | 'unit' | 'member'>;

/** SHA-256 of what a run trains on: ids, flags, borders and sources of all sequences, in order, and how they belong together. */
export function sequencesHash(sequences: readonly Hashed[]): string {
  const hash = createHash('sha256');
  for (const { ids, trained, source, unit, member = 0 } of sequences) {
    hash.update(Int32Array.of(ids.length, source)).update(ids).update(trained);
    if (unit !== undefined) hash.update(JSON.stringify([member, unit.kind, unit.ranks, unit.label, unit.margin]));
  }
  return hash.digest('hex');
}
