/** Rows of files, whatever their kind. */
import { DataError } from '../../errors/index.js';
import type { Row } from '../types.js';
import { fileLines } from './bytes.js';
import { findFiles } from './glob.js';
import { readJson, readJsonLines } from './json.js';
import { readParquet } from './parquet.js';
import { readTable } from './table.js';

const READERS: Record<string, (file: string) => AsyncGenerator<Row>> = {
  txt: readText,
  md: readText,
  jsonl: readJsonLines,
  json: readJson,
  csv: (file) => readTable(file, ','),
  tsv: (file) => readTable(file, '\t'),
  parquet: readParquet,
};

/** Endings of files that hold rows; each may be followed by `.gz`. */
const ENDINGS = Object.keys(READERS);

/**
 * The rows of one file, in order, read as they are asked for.
 * @throws DataError with file and line: `unknown_ending`, `missing_data`, `not_utf8`, `malformed_json`, `no_object`, `bad_table`, `bad_parquet`, `bad_gzip`
 */
export function readRows(file: string): AsyncGenerator<Row> {
  const ending = /\.([^.\\/]+)$/.exec(file.replace(/\.gz$/, ''))?.[1]?.toLowerCase();
  const reader = ending === undefined ? undefined : READERS[ending];
  if (reader !== undefined) return reader(file);
  const what = ending === undefined ? 'no ending' : `unknown ending .${ending}`;
  throw new DataError('unknown_ending', `${what}; known are ${ENDINGS.map((one) => `.${one}`).join(' ')}, each also with .gz`, { file });
}

/**
 * The rows of all files that `pattern` names, files in order of their names.
 * @param leftOut takes the folders of runs that the pattern passed over
 * @throws DataError `missing_data` where no file matches, `empty_data` where none of them has a row
 */
export async function* readSource(pattern: string, leftOut?: Set<string>): AsyncGenerator<Row> {
  const files = await findFiles(pattern, leftOut);
  let rows = 0;
  for (const file of files)
    for await (const row of readRows(file)) {
      rows++;
      yield row;
    }
  if (rows === 0)
    throw new DataError('empty_data', files.length === 1 ? 'no rows' : `no rows in any of ${files.length} files`, { file: pattern });
}

/** A text file is one row, its content as it stands; one of blanks alone is none. */
async function* readText(file: string): AsyncGenerator<Row> {
  const lines: string[] = [];
  for await (const { text, line } of fileLines(file)) {
    if (text.includes('\0'))
      throw new DataError('nul_byte', 'there is a NUL byte in the text; is it UTF-16 or no text at all?', { file, line });
    lines.push(text);
  }
  const text = lines.join('');
  if (text.trim() !== '') yield { value: { text }, file, line: 1 };
}
