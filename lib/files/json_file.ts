/** JSON files of checkpoint folders, and values in them with the type that they must have. */
import { readFile } from 'node:fs/promises';
import { DataError } from '../errors/index.js';

export type Json = Record<string, unknown>;

/**
 * Reads a JSON object.
 * @throws DataError `missing_file`, `malformed_json`
 */
export async function readJson(path: string): Promise<Json> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new DataError('missing_file', cause.code === 'ENOENT' ? 'no such file' : `cannot be read: ${cause.message}`, {
      file: path,
      cause,
    });
  });
  if (nesting(text) > DEEPEST) throw new DataError('malformed_json', `is nested deeper than ${DEEPEST} levels`, { file: path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError('malformed_json', `is no JSON: ${(cause as Error).message.slice(0, 200)}`, { file: path, cause });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new DataError('malformed_json', 'expected a JSON object', { file: path });
  return value as Json;
}

/** Deepest nesting of lists and objects: about what Python's json takes, and far below what writing a value again takes here. */
export const DEEPEST = 500;

/** Levels of brackets in a JSON text; texts in quotes are skipped. */
export function nesting(text: string): number {
  let [depth, deepest, isText] = [0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const one = text[at];
    if (one === '"') isText = !isText;
    else if (isText) at += one === '\\' ? 1 : 0;
    else if (one === '[' || one === '{') deepest = Math.max(deepest, ++depth);
    else if (one === ']' || one === '}') depth--;
  }
  return deepest;
}

/** As `readJson`, or undefined where there is no such file. */
export async function readJsonIfThere(path: string): Promise<Json | undefined> {
  return readJson(path).catch((error) => {
    if (error instanceof DataError && error.code === 'missing_file' && (error.cause as NodeJS.ErrnoException)?.code === 'ENOENT')
      return undefined;
    throw error;
  });
}

/** The beginning of a value of a file, for messages. */
export const shown = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 80);

const isListOf = (value: unknown, fits: (one: unknown) => boolean) => Array.isArray(value) && value.every(fits);

/** Values of one JSON object, checked as they are taken. Null counts as left out; without a fallback the key must be there. */
export class Fields {
  constructor(
    private readonly values: Json,
    private readonly file: string,
    private readonly prefix = '',
  ) {}

  /** A whole number from `least` to `most`. */
  count(key: string, fallback?: number, least = 1, most = Number.MAX_SAFE_INTEGER): number {
    const above = most === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${most}`;
    return this.take(
      key,
      fallback,
      `a whole number of at least ${least}${above}`,
      (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    );
  }

  /** A finite number, above `least` where that is given. */
  number(key: string, fallback?: number, least = Number.NEGATIVE_INFINITY): number {
    const words = least === Number.NEGATIVE_INFINITY ? 'a number' : `a number above ${least}`;
    return this.take(key, fallback, words, (value) => Number.isFinite(value) && (value as number) > least);
  }

  flag(key: string, fallback?: boolean): boolean {
    return this.take(key, fallback, 'true or false', (value) => typeof value === 'boolean');
  }

  text(key: string, fallback?: string): string {
    return this.take(key, fallback, 'a text', (value) => typeof value === 'string');
  }

  texts(key: string, fallback?: string[]): string[] {
    return this.take(key, fallback, 'a list of texts', (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'));
  }

  /** A text or a list of texts; undefined where it is left out or empty. */
  textOrTexts(key: string): string | string[] | undefined {
    const isText = (value: unknown) => typeof value === 'string';
    const value = this.take<string | string[]>(key, [], 'a text or a list of texts', (one) => isText(one) || isListOf(one, isText));
    return value.length === 0 ? undefined : value;
  }

  /** A whole number or a list of them; undefined where it is left out or an empty list. */
  countOrCounts(key: string): number | number[] | undefined {
    const value = this.take<number | number[]>(
      key,
      [],
      'a whole number or a list of them',
      (one) => Number.isSafeInteger(one) || isListOf(one, Number.isSafeInteger),
    );
    return Array.isArray(value) && value.length === 0 ? undefined : value;
  }

  /** The object under `key`; an empty one where it is left out. */
  group(key: string): Fields {
    const inner = this.take<Json>(key, {}, 'keys and values', (value) => typeof value === 'object' && !Array.isArray(value));
    return new Fields(inner, this.file, `${this.prefix}${key}.`);
  }

  /** Whether the key is there and not null. */
  has(key: string): boolean {
    return this.values[key] !== undefined && this.values[key] !== null;
  }

  /** Whether the key is there, be it null. */
  states(key: string): boolean {
    return Object.hasOwn(this.values, key);
  }

  /** The beginning of a value as it stands in the file. */
  shown(key: string): string {
    return shown(this.values[key]);
  }

  /** An error about `key`. */
  fault(key: string, message: string, code = 'bad_config'): DataError {
    return new DataError(code, `${this.prefix}${key}: ${message}`, { file: this.file });
  }

  private take<T>(key: string, fallback: T | undefined, expected: string, fits: (value: unknown) => boolean): T {
    const value = this.values[key];
    if (value === undefined || value === null) {
      if (fallback !== undefined) return fallback;
      throw this.fault(key, `is missing; expected ${expected}`);
    }
    if (!fits(value)) throw this.fault(key, `expected ${expected}, got ${shown(value)}`);
    return value as T;
  }
}
