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

/** As `readJson`, or undefined where there is no such file. */
export async function readJsonIfThere(path: string): Promise<Json | undefined> {
  return readJson(path).catch((error) => {
    if (error instanceof DataError && error.code === 'missing_file' && (error.cause as NodeJS.ErrnoException)?.code === 'ENOENT')
      return undefined;
    throw error;
  });
}

/** Values of one JSON object, checked as they are taken. Null counts as left out; without a fallback the key must be there. */
export class Fields {
  constructor(
    private readonly values: Json,
    private readonly file: string,
    private readonly prefix = '',
  ) {}

  /** A whole number of at least `least`. */
  count(key: string, fallback?: number, least = 1): number {
    return this.take(
      key,
      fallback,
      `a whole number of at least ${least}`,
      (value) => Number.isSafeInteger(value) && (value as number) >= least,
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
    if (!fits(value)) throw this.fault(key, `expected ${expected}, got ${JSON.stringify(value).slice(0, 80)}`);
    return value as T;
  }
}
