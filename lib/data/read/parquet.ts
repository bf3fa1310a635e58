/** Rows of Parquet files, some thousands at a time. */
import { stat } from 'node:fs/promises';
import { DataError } from '../../errors/index.js';
import type { Row } from '../types.js';
import { wholeFile } from './bytes.js';
import { ParquetProcess } from './parquet_process.js';
import { rowValues } from './parquet_values.js';

/** Rows read at once, within a row group: bounds memory where a file is one group. */
const CHUNK = 4096;

/** The file's rows; `line` is the number of the row, from 1. */
export async function* readParquet(file: string): AsyncGenerator<Row> {
  const bytes = file.endsWith('.gz') ? await wholeFile(file) : undefined;
  const reader = new ParquetProcess(file, bytes?.byteLength ?? (await sizeOf(file)));
  try {
    const { rows, tree } = await reader.open(bytes === undefined ? { file } : { bytes });
    for (let start = 0; start < rows; start += CHUNK) {
      const end = Math.min(start + CHUNK, rows);
      const values = await reader.read(start, end);
      if (values.length !== end - start) throw fewer(file, start + values.length, rows);
      for (const [n, stored] of values.entries()) {
        const at = { file, line: start + n + 1 };
        yield { value: rowValues(stored, tree, at), ...at };
      }
    }
  } finally {
    reader.close();
  }
}

const fewer = (file: string, found: number, rows: number) =>
  new DataError('bad_parquet', `not a valid Parquet file: it says that it holds ${rows} rows, and ${found} were found`, { file });

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new DataError('missing_data', 'no such file', { file, cause });
    throw new DataError('unreadable_data', `cannot be read: ${message}`, { file, cause });
  }
}
