/** Recipes as files of a folder that is gone after the tests, and the errors that are expected of bad ones. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { type AttuneError, RequestError } from '../../lib/errors/index.js';

export const room = mkdtempSync(join(tmpdir(), 'attune-options-'));
afterAll(() => rmSync(room, { recursive: true, force: true }));

let count = 0;
/** Writes a recipe -> its path. */
export function file(text: string): string {
  const path = join(room, `r${count++}.yaml`);
  writeFileSync(path, text);
  return path;
}

/** The RequestError that `run` ends in. */
export function failure(run: () => unknown): AttuneError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(RequestError);
    return error as AttuneError;
  }
  throw new Error('expected a RequestError');
}

/** The shortest recipe. */
export const LEAST = 'model: m\nmethod: sft\ndata: x.jsonl\n';
