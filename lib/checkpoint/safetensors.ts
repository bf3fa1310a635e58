/** The tensors of safetensors files: their numbers read in pieces, and whole files written through a temporary name. */
import { open } from 'node:fs/promises';
import { DataError } from '../errors/index.js';
import type { StoredTensor, StoredType } from '../native.js';
import { writeWhole } from './files.js';
import { fromFloat32, STORED_BYTES, STORED_NAMES, STORED_TYPES, toFloat32 } from './numbers.js';
import type { HeaderEntry } from './safetensors_header.js';

/**
 * An entry as a tensor that can be computed with.
 * @throws DataError `tensor_dtype` where it is stored in another number type than f32, f16 or bf16
 */
export function storedTensor(entry: HeaderEntry, path: string): StoredTensor {
  const stored = Object.hasOwn(STORED_TYPES, entry.dtype) ? STORED_TYPES[entry.dtype as keyof typeof STORED_TYPES] : undefined;
  if (stored === undefined)
    throw new DataError('tensor_dtype', `${entry.name} is stored as ${entry.dtype}; attune reads F32, F16 and BF16`, { file: path });
  return { name: entry.name, path, offset: entry.offset, stored, shape: entry.shape };
}

/** Number of values of a shape. */
export const sizeOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);

/** Bytes that a stored tensor takes in its file. */
export const bytesOf = ({ shape, stored }: StoredTensor) => sizeOf(shape) * STORED_BYTES[stored];

/** Numbers in one piece when a tensor is read in pieces: 4 MiB of f32, so that no copy of a whole embedding is needed. */
const PIECE = 1 << 20;

/** The numbers of a tensor as stored, in pieces. */
export async function* readPieces(tensor: StoredTensor): AsyncGenerator<Uint8Array> {
  const file = await open(tensor.path, 'r');
  try {
    const size = STORED_BYTES[tensor.stored];
    const total = bytesOf(tensor);
    for (let at = 0; at < total; at += PIECE * size) {
      const piece = new Uint8Array(Math.min(PIECE * size, total - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, tensor.offset + at);
      if (bytesRead !== piece.length)
        throw new DataError('bad_safetensors', `${tensor.name} ends early: the file is cut off`, { file: tensor.path });
      yield piece;
    }
  } finally {
    await file.close();
  }
}

/** All numbers of a tensor in f32. */
export async function readTensor(tensor: StoredTensor): Promise<Float32Array> {
  const out = new Float32Array(sizeOf(tensor.shape));
  let at = 0;
  for await (const piece of readPieces(tensor)) {
    const values = toFloat32(piece, tensor.stored);
    out.set(values, at);
    at += values.length;
  }
  return out;
}

/** A tensor to be written: `pieces` gives its values in order, as f32 or already as stored. */
export interface TensorToWrite {
  name: string;
  shape: readonly number[];
  stored: StoredType;
  pieces(): AsyncIterable<Float32Array | Uint8Array> | Iterable<Float32Array | Uint8Array>;
}

/** Writes a file whole, one piece of one tensor in memory at a time. Tensors stand in the order given. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Record<string, string> = { format: 'pt' },
) {
  await writeWhole(path, async (file) => {
    await file.writeFile(headerOf(tensors, metadata));
    for (const tensor of tensors) {
      let left = sizeOf(tensor.shape) * STORED_BYTES[tensor.stored];
      for await (const piece of tensor.pieces()) {
        const bytes = piece instanceof Float32Array ? fromFloat32(piece, tensor.stored) : piece;
        await file.writeFile(bytes);
        left -= bytes.length;
      }
      if (left !== 0) throw new Error(`[safetensors] ${tensor.name}: shape and values differ by ${left} bytes`);
    }
  });
}

function headerOf(tensors: readonly TensorToWrite[], metadata: Record<string, string>): Uint8Array {
  let at = 0;
  const entries = tensors.map(({ name, shape, stored }): [string, unknown] => {
    const begin = at;
    at += sizeOf(shape) * STORED_BYTES[stored];
    return [name, { dtype: STORED_NAMES[stored], shape, data_offsets: [begin, at] }];
  });
  const json = Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  // Padded with spaces, so that the numbers begin at a multiple of 8.
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return header;
}
