/** Rows of JSON Lines and of JSON files. */
import { DataError } from '../../errors/index.js';
import { JsonFault, parseJson } from '../../json/index.js';
import type { Row } from '../types.js';
import { fileLines } from './bytes.js';
import { jsonParts } from './json_values.js';
import { kindOf } from './values.js';

/** One object a line; blank lines are passed over. Lines that end with CR alone are lines, too: no text of JSON holds a bare CR. */
export async function* readJsonLines(file: string): AsyncGenerator<Row> {
  let passed = 0;
  for await (const { text, line } of fileLines(file)) {
    const lines = text.trimEnd().split('\r');
    for (const [n, one] of lines.entries()) if (one.trim() !== '') yield rowFrom(one, file, line + passed + n);
    passed += lines.length - 1;
  }
}

/** A list of objects, one object, or (as many files with this ending are) one object after the other. */
export async function* readJson(file: string): AsyncGenerator<Row> {
  for await (const { text, line } of jsonParts(file)) yield rowFrom(text, file, line);
}

/** The row that JSON text is. @throws DataError `malformed_json`, `no_object` */
export function rowFrom(text: string, file: string, line: number): Row {
  const repeated: string[] = [];
  const value = parsed(text, file, line, (key) => repeated.push(key));
  if (value === null || typeof value !== 'object' || Array.isArray(value) || Object.getPrototypeOf(value) !== Object.prototype)
    throw new DataError('no_object', `a row must be an object with named fields, not ${kindOf(value)}`, { file, line });
  return { value: value as Record<string, unknown>, file, line, ...(repeated.length > 0 && { repeated }) };
}

/** Parses JSON that begins on `line`; the error names the line within it. */
function parsed(text: string, file: string, line: number, repeated: (key: string) => void): unknown {
  try {
    return parseJson(text, { repeated });
  } catch (cause) {
    if (!(cause instanceof JsonFault)) throw cause;
    const isEnd = cause.at >= text.trimEnd().length;
    const before = isEnd ? text.trimEnd() : text.slice(0, cause.at);
    const inside = before.split('\n').length - 1;
    const nul = text.includes('\0') ? ' (there is a NUL byte in it)' : '';
    throw new DataError('malformed_json', `not valid JSON: ${cause.message}${nul}`, { file, line: line + inside, cause });
  }
}
