/** Rows of CSV and TSV. The first record names the columns; a field in quotes may hold line ends. */
import { DataError } from '../../errors/index.js';
import type { Origin, Row } from '../types.js';
import { fileLines } from './bytes.js';
import { Records, TableFault, type TableRecord } from './delimited.js';

/** Rows of a table; every value is text. */
export async function* readTable(file: string, delimiter: ',' | '\t'): AsyncGenerator<Row> {
  let columns: string[] | undefined;
  for await (const { fields, line } of records(file, delimiter)) {
    if (columns === undefined) columns = named(fields, delimiter, { file, line });
    else yield { value: valuesOf(columns, fields, file, line), file, line };
  }
}

async function* records(file: string, delimiter: ',' | '\t'): AsyncGenerator<TableRecord> {
  const found = new Records(delimiter, delimiter === '\t');
  try {
    for await (const { text } of fileLines(file)) yield* found.add(text);
    yield* found.end();
  } catch (error) {
    if (!(error instanceof TableFault)) throw error;
    throw new DataError('bad_table', error.message, { file, line: error.line, cause: error });
  }
}

function valuesOf(columns: readonly string[], fields: readonly string[], file: string, line: number): Record<string, unknown> {
  if (fields.length === columns.length) return Object.fromEntries(columns.map((column, n) => [column, fields[n]]));
  const quote = fields.find((field) => /^\s+"/.test(field));
  const hint =
    quote === undefined ? '' : `; a field begins with a blank before its quote, ${JSON.stringify(quote.slice(0, 20))}: take the blank out`;
  throw new DataError('bad_table', `the row has ${fields.length} fields, the header ${columns.length}${hint}`, { file, line });
}

function named(header: string[], delimiter: ',' | '\t', { file, line }: Origin): string[] {
  const separators = delimiter === '\t' ? /[;|,]/ : /[;|\t]/;
  const other = header.length === 1 ? separators.exec(header[0] ?? '')?.[0] : undefined;
  if (other !== undefined) {
    const message = `one column, ${JSON.stringify(header[0]?.slice(0, 60))}: its names seem to be separated by ${JSON.stringify(other)}`;
    throw new DataError('bad_table', `${message}; expected commas in .csv and tabs in .tsv`, { file, line });
  }
  const names = header.map((name, n) => name.trim() || `column ${n + 1}`);
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new DataError('bad_table', `column ${twice} is there twice`, { file, line });
  return names;
}
