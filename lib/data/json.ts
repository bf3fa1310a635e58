/** Rows of JSON Lines and of JSON arrays. */
import { DataError } from '../errors/index.js';
import { fileLines } from './bytes.js';
import type { Row } from './types.js';
import { kindOf } from './values.js';

/** One object a line; blank lines are passed over. */
export async function* readJsonLines(file: string): AsyncGenerator<Row> {
  for await (const { text, line } of fileLines(file)) if (text.trim() !== '') yield row(parse(text.trimEnd(), file, line), file, line);
}

/** An array of objects, one object, or (as many files with this ending are) one object a line. */
export async function* readJson(file: string): AsyncGenerator<Row> {
  const lines: string[] = [];
  for await (const { text } of fileLines(file)) lines.push(text);
  const first = lines.findIndex((line) => line.trim() !== '');
  if (first < 0) return;
  if (isObjectLine(lines[first] ?? '') && lines.slice(first + 1).some((line) => line.trim() !== '')) return yield* objectLines(lines, file);
  const text = lines.join('');
  const value = parse(text, file, 1);
  if (!Array.isArray(value)) return yield row(value, file, first + 1);
  const starts = elementLines(text);
  for (const [n, item] of value.entries()) yield row(item, file, starts[n] ?? 1);
}

function* objectLines(lines: string[], file: string): Generator<Row> {
  for (const [n, text] of lines.entries()) if (text.trim() !== '') yield row(parse(text.trimEnd(), file, n + 1), file, n + 1);
}

function isObjectLine(line: string): boolean {
  if (!line.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** Line of each element of the array that `text`, valid JSON, holds. */
function elementLines(text: string): number[] {
  const starts: number[] = [];
  let [line, depth, waiting] = [1, 0, true];
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === '\n') line++;
    if (c === ' ' || c === '\n' || c === '\r' || c === '\t') continue;
    if (depth === 1 && waiting && c !== ']') {
      starts.push(line);
      waiting = false;
    }
    if (c === '"') at = stringEnd(text, at);
    else if (c === '[' || c === '{') depth++;
    else if (c === ']' || c === '}') depth--;
    else if (c === ',' && depth === 1) waiting = true;
  }
  return starts;
}

function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function row(value: unknown, file: string, line: number): Row {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new DataError('no_object', `a row must be an object with named fields, not ${kindOf(value)}`, { file, line });
  return { value: value as Record<string, unknown>, file, line };
}

/** Parses JSON that begins on `line`; the error names the line within it where V8 tells the position. */
function parse(text: string, file: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    const at = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
    const before = text.slice(0, at).trimEnd();
    const inside = before.split('\n').length - 1;
    const nul = text.includes('\0') ? ' (there is a NUL byte in it)' : '';
    const what = message
      .replace(/ in JSON at position.*$| is not valid JSON$/s, '')
      .replace(/\s+/g, ' ')
      .slice(0, 160);
    throw new DataError('malformed_json', `not valid JSON: ${what}${nul}`, { file, line: line + inside, cause });
  }
}
