/** Rows of Parquet files, a row group at a time. */
import { type AsyncBuffer, asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DataError } from '../errors/index.js';
import { wholeFile } from './bytes.js';
import type { Row } from './types.js';

/** Rows read at once, within a row group: bounds memory where a file is one group. */
const CHUNK = 4096;

/** The file's rows; `line` is the number of the row, from 1. */
export async function* readParquet(file: string): AsyncGenerator<Row> {
  const buffer = await opened(file);
  const metadata = await guarded(file, () => parquetMetadataAsync(buffer));
  const rows = Number(metadata.num_rows);
  for (let start = 0; start < rows; start += CHUNK) {
    const values = await guarded(file, () => chunk(buffer, metadata, start, Math.min(start + CHUNK, rows)));
    for (const [n, value] of values.entries()) yield { value: plain(value) as Record<string, unknown>, file, line: start + n + 1 };
  }
}

async function opened(file: string): Promise<AsyncBuffer> {
  if (!file.endsWith('.gz')) return guarded(file, () => asyncBufferFromFile(file));
  const bytes = await wholeFile(file);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

function chunk(file: AsyncBuffer, metadata: FileMetaData, rowStart: number, rowEnd: number): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file, metadata, rowStart, rowEnd, compressors });
}

/** 64-bit integers as numbers where they fit, as text where not. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object' || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

async function guarded<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new DataError('missing_data', 'no such file', { file, cause });
    throw new DataError('bad_parquet', `not a valid Parquet file: ${message.replace(/\s+/g, ' ').slice(0, 200)}`, { file, cause });
  }
}
