/** Bytes of a file, unpacked where it is gzip, as checked UTF-8 lines. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { DataError } from '../../errors/index.js';

/** Longest line, or row of JSON, that is read, in bytes: V8 holds no string much longer than this. */
export const LONGEST = 256 * 2 ** 20;
const NEWLINE = 0x0a;

/** One line with its line end, as it stands; a byte order mark at the start of the file is left out. */
export interface Line {
  text: string;
  line: number;
}

/** The file's bytes, unpacked where its name ends in `.gz`. */
export async function* fileBytes(file: string): AsyncGenerator<Buffer> {
  const source = createReadStream(file, { highWaterMark: 1 << 18 });
  const out = file.endsWith('.gz') ? source.pipe(createGunzip()) : source;
  source.on('error', (error) => out.destroy(error));
  try {
    for await (const chunk of out) yield chunk as Buffer;
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    source.destroy();
    out.destroy();
  }
}

/** The whole file at once. */
export async function wholeFile(file: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of fileBytes(file)) parts.push(part);
  return Buffer.concat(parts);
}

/** The file's lines in order, each checked to be UTF-8. */
export async function* fileLines(file: string): AsyncGenerator<Line> {
  let pending: Buffer[] = [];
  let size = 0;
  let line = 1;
  for await (const chunk of fileBytes(file)) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield decodedLine([...pending, chunk.subarray(start, end + 1)], file, line++);
      pending = [];
      size = 0;
      start = end + 1;
    }
    pending.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > LONGEST) throw new DataError('line_too_long', `longer than ${LONGEST / 2 ** 20} MiB without a line end`, { file, line });
  }
  if (size > 0) yield decodedLine(pending, file, line);
}

/** Bytes that begin on a line as text. @throws DataError `not_utf8` */
export function decodedLine(parts: Buffer[], file: string, line: number): Line {
  const [first = Buffer.alloc(0)] = parts;
  const bytes = parts.length === 1 ? first : Buffer.concat(parts);
  if (!isUtf8(bytes)) throw notUtf8(bytes, file, line);
  const marked = line === 1 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return { text: bytes.toString('utf8', marked ? 3 : 0), line };
}

function notUtf8(bytes: Buffer, file: string, line: number): DataError {
  const wide = line === 1 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  const column = bytes.toString('utf8').indexOf('\ufffd') + 1;
  const what = wide ? 'looks like UTF-16' : `not valid UTF-8 (at character ${column})`;
  return new DataError('not_utf8', `${what}; save the file as UTF-8`, { file, line });
}

const SYSTEM: Record<string, [code: string, message: string]> = {
  ENOENT: ['missing_data', 'no such file'],
  EISDIR: ['missing_data', 'is a folder; name its files, as folder/*.jsonl'],
  EACCES: ['unreadable_data', 'may not be read by this user'],
  Z_BUF_ERROR: ['bad_gzip', 'the gzip data ends too early; the file is cut'],
  Z_DATA_ERROR: ['bad_gzip', 'not valid gzip data'],
};

function unreadable(file: string, cause: unknown): unknown {
  if (cause instanceof DataError) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const [ours, words] = SYSTEM[code] ?? ['unreadable_data', `cannot be read: ${message}`];
  return new DataError(ours, words, { file, cause });
}
