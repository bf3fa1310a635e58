/**
 * The values of a JSON file, one after the other, whatever their number and the file's size: the items of one list, or values that follow each
 * other with white space between (one object a line, or objects over several lines). Their borders are found in the bytes; what is inside a value
 * is for the parser to judge.
 */
import { DataError } from '../../errors/index.js';
import { decodedLine, fileBytes, LONGEST } from './bytes.js';

/** A value as text, and the line that it begins on. */
export interface JsonPart {
  text: string;
  line: number;
}

const [QUOTE, BACKSLASH, COMMA, NEWLINE] = [0x22, 0x5c, 0x2c, 0x0a];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const isSpace = (byte: number) => byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09;

/** What may come next between values. */
type Awaited = 'begin' | 'item or ]' | 'item' | 'comma or ]' | 'value' | 'nothing';

/** @throws DataError `malformed_json`, `not_utf8`, `line_too_long`, and those of reading */
export async function* jsonParts(file: string): AsyncGenerator<JsonPart> {
  const splitter = new Splitter(file);
  let first = true;
  for await (const chunk of fileBytes(file)) {
    yield* splitter.add(first ? withoutMark(chunk, file) : chunk);
    first = false;
  }
  yield* splitter.end();
}

/** Without a byte order mark. @throws DataError `not_utf8` for one of UTF-16 */
function withoutMark(chunk: Buffer, file: string): Buffer {
  if (chunk.length > 1 && chunk.readUInt16BE(0) >= 0xfeff) decodedLine([chunk.subarray(0, 2)], file, 1);
  return chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? chunk.subarray(3) : chunk;
}

class Splitter {
  #awaited: Awaited = 'begin';
  #line = 1;
  /** Line of the last byte that is no white space: where an early end is told of. */
  #lastLine = 1;
  /** Of the value that is being read, if one is. */
  #parts: Buffer[] | undefined;
  #size = 0;
  #startLine = 1;
  #depth = 0;
  #inText = false;
  #isEscaped = false;

  constructor(private readonly file: string) {}

  *add(chunk: Buffer): Generator<JsonPart> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      if (this.#parts === undefined) {
        if (this.#between(byte)) start = at;
        else continue;
      }
      const end = this.#inside(byte, at);
      if (end === undefined) continue;
      yield this.#finish(chunk.subarray(start, end));
      if (end === at) this.#between(byte);
    }
    if (this.#parts !== undefined) this.#keep(chunk.subarray(start));
  }

  *end(): Generator<JsonPart> {
    if (this.#parts !== undefined) yield this.#finish(Buffer.alloc(0));
    const { [this.#awaited]: missing } = MISSING;
    if (missing !== undefined) throw this.#fault(`expected ${missing}, found the end`, this.#lastLine);
  }

  /** A byte between values. -> whether a value begins with it */
  #between(byte: number): boolean {
    if (byte === NEWLINE) this.#line++;
    if (isSpace(byte)) return false;
    this.#lastLine = this.#line;
    const next = this.#mark(byte);
    if (next === undefined) this.#begin();
    else this.#awaited = next;
    return next === undefined;
  }

  /** What is awaited after a mark that belongs to the list of all values; undefined where a value begins. */
  #mark(byte: number): Awaited | undefined {
    const awaited = this.#awaited;
    if (awaited === 'begin' && byte === LIST) return 'item or ]';
    if (byte === LIST_END && (awaited === 'item or ]' || awaited === 'comma or ]')) return 'nothing';
    if (byte === COMMA && awaited === 'comma or ]') return 'item';
    if (awaited !== 'nothing' && awaited !== 'comma or ]' && byte !== COMMA && byte !== LIST_END) return undefined;
    const found = `found ${JSON.stringify(String.fromCharCode(byte))}`;
    if (byte === COMMA && awaited === 'value')
      throw this.#fault(`${found} between rows; put the rows in [ ], or leave the comma out`, this.#line);
    throw this.#fault(`expected ${EXPECTED[awaited]}, ${found}`, this.#line);
  }

  #begin(): void {
    if (this.#awaited === 'begin') this.#awaited = 'value';
    [this.#parts, this.#size, this.#startLine, this.#depth] = [[], 0, this.#line, 0];
    [this.#inText, this.#isEscaped] = [false, false];
  }

  /** A byte of a value. -> where the value ends, as an index into its chunk: before this byte, behind it, or not yet */
  #inside(byte: number, at: number): number | undefined {
    if (byte === NEWLINE) this.#line++;
    if (this.#inText) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) this.#inText = false;
      return undefined;
    }
    if (byte === QUOTE) this.#inText = true;
    else if (byte === LIST || byte === OBJECT) this.#depth++;
    else if (this.#depth > 0) {
      if ((byte === LIST_END || byte === OBJECT_END) && --this.#depth === 0) return at + 1;
    } else if (isSpace(byte) || byte === COMMA || byte === LIST_END) {
      if (byte === NEWLINE) this.#line--; // counted again as what lies between
      return at;
    }
    return undefined;
  }

  #keep(bytes: Buffer): void {
    this.#parts?.push(bytes);
    this.#size += bytes.length;
    if (this.#size <= LONGEST) return;
    throw new DataError('line_too_long', `a row longer than ${LONGEST / 2 ** 20} MiB`, { file: this.file, line: this.#startLine });
  }

  #finish(bytes: Buffer): JsonPart {
    this.#keep(bytes);
    const { text } = decodedLine(this.#parts ?? [], this.file, this.#startLine);
    this.#parts = undefined;
    this.#lastLine = this.#line;
    if (this.#awaited !== 'value') this.#awaited = 'comma or ]';
    return { text, line: this.#startLine };
  }

  #fault(what: string, line: number): DataError {
    return new DataError('malformed_json', `not valid JSON: ${what}`, { file: this.file, line });
  }
}

const EXPECTED: Record<Awaited, string> = {
  begin: 'a value',
  value: 'a value',
  item: 'a value',
  'item or ]': 'a value or ]',
  'comma or ]': 'a comma or ]',
  nothing: 'nothing more',
};
/** What is missing at the end of the file. */
const MISSING: Partial<Record<Awaited, string>> = { item: 'a value', 'item or ]': 'a value or ]', 'comma or ]': 'a comma or ]' };
