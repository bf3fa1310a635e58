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

/** SHA-256 of what a run trains on: ids, flags, borders and sources of all sequences, in order. */
export function sequencesHash(sequences: readonly Pick<Tokens, 'ids' | 'trained' | 'source'>[]): string {
  const hash = createHash('sha256');
  for (const { ids, trained, source } of sequences) hash.update(Int32Array.of(ids.length, source)).update(ids).update(trained);
  return hash.digest('hex');
}
