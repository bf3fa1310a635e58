/**
 * Work of a foreign library on a foreign file, ended when it takes too long: a pattern that goes back
 * without end, above all.
 */
import { Script } from 'node:vm';
import { DataError } from '../errors/index.js';

/**
 * Seconds that any text may take, and further seconds for each 10,000 characters: a hundred times what a
 * slow machine needs.
 */
const SECONDS = 10;
const SECONDS_A_PART = 1;
const PART = 10_000;

/** Where the script finds what it calls. */
const NAME = Symbol.for('attune.limited');
const script = new Script("globalThis[Symbol.for('attune.limited')]()");

/** Seconds for a text of so many characters. */
export const secondsFor = (characters: number) => SECONDS + (SECONDS_A_PART * characters) / PART;

/**
 * Calls a function on this thread. V8 ends it at the limit, within a regular expression as well; what is
 * left of the library is not to be used again.
 * @throws DataError `unsupported_tokenizer` when it takes longer; what `call` throws as it is
 */
export function limited<T>(call: () => T, characters: number, file: string, seconds = secondsFor(characters)): T {
  const before = Object.getOwnPropertyDescriptor(globalThis, NAME);
  Object.defineProperty(globalThis, NAME, { value: call, configurable: true });
  try {
    return script.runInThisContext({ timeout: Math.ceil(seconds * 1000) }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw tooSlow(seconds, file);
    throw error;
  } finally {
    if (before) Object.defineProperty(globalThis, NAME, before);
    else delete (globalThis as Record<symbol, unknown>)[NAME];
  }
}

/** The error of a tokenizer that gets no further. */
export function tooSlow(seconds: number, file: string): DataError {
  const what = `its rules got no further with a text in ${Math.round(seconds)} seconds; is one of its patterns a repeat within a repeat?`;
  return new DataError('unsupported_tokenizer', what, { file });
}
