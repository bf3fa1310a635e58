/** A folder of its own for a test file, and the errors that are expected of bad files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect } from 'vitest';
import { type AttuneError, DataError } from '../../lib/errors/index.js';

/** -> a function that writes a file into a folder that is gone after the tests, and gives its path. Content of `.gz` files is packed. */
export function makeRoom(): { folder: string; write: (name: string, content: string | Uint8Array) => string } {
  const folder = mkdtempSync(join(tmpdir(), 'attune-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, content: string | Uint8Array) => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, name.endsWith('.gz') ? gzipSync(content) : content);
    return path;
  };
  return { folder, write };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The DataError that `run` ends in. */
export async function failure(run: () => unknown, kind: new (...args: never[]) => AttuneError = DataError): Promise<AttuneError> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(kind);
    return error as AttuneError;
  }
  throw new Error(`expected a ${kind.name}`);
}
