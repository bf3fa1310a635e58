/**
 * The header of a safetensors file, with every claim of it checked.
 * Layout: 8 bytes size of the header (little-endian), the header (JSON: name → dtype, shape, data_offsets), the numbers.
 * Source: https://github.com/huggingface/safetensors, section "Format".
 */
import { type FileHandle, open } from 'node:fs/promises';
import { type AttuneError, DataError } from '../errors/index.js';
import { DEEPEST, nesting, shown } from '../files/json_file.js';
import { DTYPE_BYTES } from './numbers.js';

/** The format's own limit on headers. */
const LARGEST_HEADER = 100_000_000;

/** A tensor as the header tells it; `dtype` is one of the format's, not always one that attune computes with. */
export interface HeaderEntry {
  name: string;
  dtype: string;
  shape: number[];
  /** Bytes from the start of the file. */
  offset: number;
  bytes: number;
}

/**
 * Reads and checks the header of a file.
 * @throws DataError `bad_safetensors` that names file and tensor; `missing_file`
 */
export async function readHeader(path: string): Promise<HeaderEntry[]> {
  const file = await open(path, 'r').catch((cause) => {
    throw new DataError('missing_file', cause.code === 'ENOENT' ? 'no such file' : `cannot be opened: ${cause.message}`, {
      file: path,
      cause,
    });
  });
  try {
    const { size } = await file.stat();
    const header = await headerText(file, size, path);
    return entriesOf(parseHeader(header, path), 8 + header.length, size, path);
  } finally {
    await file.close();
  }
}

const bad = (path: string, message: string): AttuneError => new DataError('bad_safetensors', message, { file: path });

async function headerText(file: FileHandle, size: number, path: string): Promise<Uint8Array> {
  if (size < 8) throw bad(path, `is no safetensors file: it has ${size} bytes, too few for the size of a header`);
  const first = Buffer.alloc(8);
  await file.read(first, 0, 8, 0);
  const length = first.readBigUInt64LE();
  if (length > BigInt(Math.min(size - 8, LARGEST_HEADER)))
    throw bad(path, `the header claims ${length} bytes, but the file has ${size}: it is cut off or is no safetensors file`);
  const text = Buffer.alloc(Number(length));
  await file.read(text, 0, text.length, 8);
  return text;
}

function parseHeader(text: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    const json = new TextDecoder('utf-8', { fatal: true }).decode(text);
    if (nesting(json) > DEEPEST) throw new Error(`nested deeper than ${DEEPEST} levels`);
    value = JSON.parse(json);
  } catch (cause) {
    throw new DataError('bad_safetensors', `the header is no JSON (${(cause as Error).message.slice(0, 120)})`, { file: path, cause });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw bad(path, 'the header is no JSON object');
  return value as Record<string, unknown>;
}

function entriesOf(header: Record<string, unknown>, dataStart: number, fileSize: number, path: string): HeaderEntry[] {
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => entryOf(name, value, dataStart, fileSize, path));
  const inOrder = [...entries].filter(({ bytes }) => bytes > 0).sort((a, b) => a.offset - b.offset);
  inOrder.forEach((entry, n) => {
    const before = inOrder[n - 1];
    if (before !== undefined && before.offset + before.bytes > entry.offset)
      throw bad(path, `${entry.name} and ${before.name} overlap: both claim the byte at ${entry.offset}`);
  });
  return entries;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function entryOf(name: string, value: unknown, dataStart: number, fileSize: number, path: string): HeaderEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const size = typeof dtype === 'string' && Object.hasOwn(DTYPE_BYTES, dtype) ? DTYPE_BYTES[dtype] : undefined;
  if (size === undefined)
    throw bad(path, `${name} has the unknown dtype ${shown(dtype)}; known are ${Object.keys(DTYPE_BYTES).join(', ')}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad(path, `${name} has the shape ${shown(shape)}, not a list of whole numbers`);
  const [begin, end, more] = Array.isArray(offsets) ? offsets : [];
  if (!isCount(begin) || !isCount(end) || more !== undefined || begin > end)
    throw bad(path, `${name} has data_offsets ${shown(offsets)}, not a first and a last byte`);
  if (dataStart + end > fileSize)
    throw bad(path, `${name} ends at byte ${dataStart + end}, but the file has ${fileSize}: it is cut off or its header is wrong`);
  const expected = shape.reduce((product, n) => product * n, size);
  if (expected !== end - begin)
    throw bad(path, `${name} has ${end - begin} bytes, but its shape [${shape.slice(0, 8).join(', ')}] in ${dtype} needs ${expected}`);
  return { name, dtype: dtype as string, shape, offset: dataStart + begin, bytes: expected };
}
