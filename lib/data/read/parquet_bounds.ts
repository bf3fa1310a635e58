/** Counts and sizes of a Parquet file, held against the file before anything is sized by them. */
import { getHeapStatistics } from 'node:v8';
import type { ParquetColumn, ParquetGroup, ParquetNode, ParquetPage } from './parquet_reader.js';

/**
 * Most bytes that one compressed byte can become. Snappy: a copy of 64 bytes takes 3. Deflate: 258 bytes take 2 bits. LZ4: a byte more of a length
 * is 255 bytes. Zstandard: a block of one byte, 128 KiB at most, takes 4. Brotli has no such bound.
 */
const MOST: Readonly<Record<string, number>> = { UNCOMPRESSED: 1, SNAPPY: 22, GZIP: 1032, LZ4: 255, LZ4_RAW: 255, ZSTD: 2 ** 15 };
/** Bytes that a short page may have beside what its compressed bytes become: lengths are rounded up to whole units. */
const SLACK = 2 ** 16;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Rows of all row groups. */
export const rowsOf = (groups: readonly ParquetGroup[]) => groups.reduce((total, group) => total + group.rows, 0);

/** What is wrong in a footer, in words. @param size of the file in bytes */
export function footerFault(rows: number, groups: readonly ParquetGroup[], tree: ParquetNode, size: number): string | undefined {
  const sum = rowsOf(groups);
  // Some writers leave the sum out.
  if (groups.some((group) => !isCount(group.rows)) || (rows !== 0 && sum !== rows))
    return `it says that it holds ${rows} rows, its row groups ${sum}`;
  const repeated = new Set(repeatedColumns(tree));
  for (const { rows: inGroup, columns } of groups)
    for (const column of columns) {
      const { path, values, start, bytes } = column;
      if (!isCount(start) || !isCount(bytes) || start + bytes > size) return `column ${path} lies beyond the file's ${size} bytes`;
      if (!isCount(values) || (values > inGroup && !repeated.has(path))) return `column ${path} has ${values} values in ${inGroup} rows`;
    }
  return undefined;
}

/** Paths of columns that hold several values a row. */
function repeatedColumns({ children }: ParquetNode, above = '', isRepeated = false): string[] {
  return children.flatMap((child) => {
    const [path, repeats] = [`${above}${child.element.name}`, isRepeated || child.element.repetition_type === 'REPEATED'];
    if (child.children.length > 0) return repeatedColumns(child, `${path}.`, repeats);
    return repeats ? [path] : [];
  });
}

/** What is wrong in the pages of a column, in words: headers in their order, up to the column's last value. */
export function pagesFault(column: ParquetColumn, pages: readonly ParquetPage[]): string | undefined {
  let values = 0;
  for (const page of pages) {
    values += page.type === 'DICTIONARY_PAGE' ? 0 : (page.values ?? 0);
    const wrong = pageFault(column, page) ?? (values > column.values ? `hold ${values} values, the column ${column.values}` : undefined);
    if (wrong !== undefined) return `pages of column ${column.path} ${wrong}`;
  }
  return undefined;
}

function pageFault({ codec, bytes: inColumn }: ParquetColumn, page: ParquetPage): string | undefined {
  const { type, bytes, plainBytes, values, encoding, levels } = page;
  if (!isCount(bytes) || bytes > inColumn) return `have ${bytes} bytes of ${inColumn}`;
  if (!isCount(plainBytes) || plainBytes > (MOST[codec] ?? Number.POSITIVE_INFINITY) * bytes + SLACK)
    return `say that ${bytes} bytes of ${codec} become ${plainBytes}`;
  if (type === 'INDEX_PAGE') return undefined;
  if (encoding === undefined) return 'name no encoding';
  // A list has 8 bytes for each value at least.
  if (!isCount(values) || 8 * values > getHeapStatistics().heap_size_limit) return `hold ${values} values: more than the memory there is`;
  if (type === 'DICTIONARY_PAGE' && values > plainBytes) return `hold ${values} values in ${plainBytes} bytes`;
  if (levels !== undefined && !(levels.every(isCount) && levels.reduce((sum, one) => sum + one, 0) <= bytes))
    return `have levels of ${levels.join(' and ')} bytes in ${bytes}`;
  return undefined;
}
