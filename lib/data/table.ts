/** Rows of CSV and TSV. The first record names the columns; a field in quotes may hold line ends. */
import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { DataError } from '../errors/index.js';
import { fileLines } from './bytes.js';
import type { Row } from './types.js';

/** Follows which line each record begins on: csv-parse counts bytes exactly, but not lines. */
class LineTracker {
  #lines: { end: number; empty: boolean }[] = [];
  #bytes = 0;
  #next = 1;

  add(text: string): void {
    this.#bytes += Buffer.byteLength(text);
    this.#lines.push({ end: this.#bytes, empty: /^\r?\n?$/.test(text) });
  }

  /** A record ended `bytes` into the file. -> the line that it began on. */
  record(bytes: number): number {
    const start = this.current();
    this.#pass(({ end }) => end <= bytes);
    return start;
  }

  /** The line on which the record after the last one begins. */
  current(): number {
    this.#pass(({ empty }) => empty);
    return this.#next;
  }

  #pass(over: (line: { end: number; empty: boolean }) => boolean): void {
    const kept = this.#lines.findIndex((line) => !over(line));
    const passed = kept < 0 ? this.#lines.length : kept;
    this.#next += passed;
    this.#lines.splice(0, passed);
  }
}

/** Rows of a table; every value is text. */
export async function* readTable(file: string, delimiter: ',' | '\t'): AsyncGenerator<Row> {
  const lines = new LineTracker();
  let columns: string[] | undefined;
  // Called while the record is parsed: by the time it is read, the parser is further on.
  const row = (fields: string[], bytes: number): Row | null => {
    const line = lines.record(bytes);
    if (columns !== undefined) return { value: Object.fromEntries(columns.map((column, n) => [column, fields[n]])), file, line };
    columns = named(fields, file, line);
    return null;
  };
  const parser = parse({
    delimiter,
    record_delimiter: ['\r\n', '\n'],
    relax_quotes: delimiter === '\t',
    skip_empty_lines: true,
    on_record: (fields, { bytes }) => row(fields, bytes) as unknown as string[] | null, // its types want the record's own type back
  });
  pipeline(Readable.from(tracked(file, lines)), parser, () => {});
  try {
    for await (const record of parser) yield record as Row;
  } catch (error) {
    throw error instanceof CsvError ? tableError(error, file, lines.current()) : error;
  }
}

async function* tracked(file: string, lines: LineTracker): AsyncGenerator<string> {
  for await (const { text } of fileLines(file)) {
    lines.add(text);
    yield text;
  }
}

function named(header: string[], file: string, line: number): string[] {
  const other = header.length === 1 ? /[;|\t]/.exec(header[0] ?? '')?.[0] : undefined;
  if (other !== undefined) {
    const message = `one column, ${JSON.stringify(header[0]?.slice(0, 60))}: its names seem to be separated by ${JSON.stringify(other)}`;
    throw new DataError('bad_table', `${message}; expected commas in .csv and tabs in .tsv`, { file, line });
  }
  const names = header.map((name, n) => name.trim() || `column ${n + 1}`);
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new DataError('bad_table', `column ${twice} is there twice`, { file, line });
  return names;
}

function tableError(cause: CsvError, file: string, line: number): DataError {
  const { code, message } = cause;
  if (code === 'CSV_QUOTE_NOT_CLOSED') return new DataError('bad_table', 'a quote is opened here and never closed', { file, line, cause });
  if (code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH') {
    const [, expected, got] = /expect (\d+), got (\d+)/.exec(message) ?? [];
    return new DataError('bad_table', `the row has ${got} fields, the header ${expected}`, { file, line, cause });
  }
  return new DataError('bad_table', message.replace(/ (at|on) line \d+/, '').slice(0, 300), { file, line, cause });
}
