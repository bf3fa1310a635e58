/** Hashes that tell whether data is still the same, for manifests and for `--resume`. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Tokens } from './types.js';

/** SHA-256 of a file as it lies there, in hexadecimal. */
export async function fileHash(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

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
