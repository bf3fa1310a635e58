/** Files of lines that may be longer than any string (V8 ends at 512 MiB): read and written a line at a time. */
import { createReadStream } from 'node:fs';
import { readFault } from '../errors/system.js';
import { writeWhole } from './files.js';

const NEWLINE = 0x0a;
/** Bytes of lines that are written at once. */
const PIECE = 1 << 20;

/**
 * Lines of a file in order, without their ends; a last one that was cut is none. Only a line feed ends a line: texts in JSON may hold all
 * others.
 * @throws DataError `missing_file`, RequestError `not_readable`, WorkError `read_failed`
 */
export async function* wholeLines(path: string): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...pending, chunk.subarray(start, end)]).toString('utf8');
        pending = [];
        start = end + 1;
      }
      pending.push(chunk.subarray(start));
    }
  } catch (error) {
    throw readFault(error, path);
  }
}

/** Writes lines, without their ends, as a whole file. @throws as `writeWhole`, and what `lines` throws */
export async function writeLines(path: string, lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  await writeWhole(path, async (file) => {
    let piece = '';
    for await (const line of lines) {
      piece += `${line}\n`;
      if (piece.length < PIECE) continue;
      await file.writeFile(piece);
      piece = '';
    }
    await file.writeFile(piece);
  });
}
