/** Tensors that a network has once and a file may hold under another name, or twice. */
import { DataError } from '../errors/index.js';
import type { NetworkConfig, StoredTensor } from '../native.js';
import type { FoundTensor } from './model_tensors.js';
import { toFloat32 } from './numbers.js';
import { readPieces, storedTensor } from './safetensors.js';

const HEAD = 'lm_head.weight';

/** Copies by name, and what they are copies of, where config.json ties them. */
const copiesOf = ({ copies = {} }: NetworkConfig): [string, string][] => Object.entries(copies);

/** Either name of a tied tensor is enough: where the file has the copy alone, it goes by the name of the original. */
export function nameTied(found: Map<string, FoundTensor>, config: NetworkConfig): void {
  for (const [name, original] of copiesOf(config)) {
    const copy = found.get(name);
    if (copy === undefined || found.has(original)) continue;
    found.set(original, { ...copy, name: original });
    found.delete(name);
  }
}

/**
 * Takes the copies of tied tensors out of what is left of a file.
 * @returns the copy of a decoder's head, which a merged model keeps
 * @throws DataError `tensor_unexpected` where a copy has other numbers
 */
export async function takeCopies(
  found: Map<string, FoundTensor>,
  config: NetworkConfig,
  tensors: readonly StoredTensor[],
): Promise<StoredTensor | undefined> {
  let head: StoredTensor | undefined;
  for (const [name, original] of copiesOf(config)) {
    const entry = found.get(name);
    const first = tensors.find((tensor) => tensor.name === original);
    if (entry === undefined || first === undefined) continue;
    const copy = storedTensor(entry, entry.path);
    if (copy.shape.join() !== first.shape.join() || !(await sameNumbers(copy, first))) {
      const what = 'take one of them out of the file, or set tie_word_embeddings to false where both are meant';
      const message = `${name} differs from ${original}, though config.json ties them (tie_word_embeddings true); ${what}`;
      throw new DataError('tensor_unexpected', message, { file: copy.path });
    }
    if (name === HEAD) head = copy;
    found.delete(name);
  }
  return head;
}

/** Whether both hold the same numbers, be it in two number types. Pieces of both have as many numbers. */
async function sameNumbers(one: StoredTensor, other: StoredTensor): Promise<boolean> {
  const others = readPieces(other);
  try {
    for await (const piece of readPieces(one)) {
      const { value } = await others.next();
      if (value === undefined || !samePiece(piece, one, value, other)) return false;
    }
    return true;
  } finally {
    await others.return(undefined);
  }
}

function samePiece(piece: Uint8Array, one: StoredTensor, otherPiece: Uint8Array, other: StoredTensor): boolean {
  if (one.stored === other.stored) return Buffer.compare(piece, otherPiece) === 0;
  const [left, right] = [toFloat32(piece, one.stored), toFloat32(otherPiece, other.stored)];
  return left.length === right.length && left.every((value, n) => value === right[n]);
}
