/**
 * The one family of errors. Every failure that a user can cause carries a `code` (stable, for programs), a message that says what was
 * expected and what came, and where it happened. The kind decides the exit status of the command line (see `exitStatus`).
 */

/** `request`: usage, recipe, options (exit 2). `data`: data or model files (exit 3). `work`: everything else that failed (exit 1). */
export type ErrorKind = 'request' | 'data' | 'work' | 'interrupted';

export interface ErrorPlace {
  /** File in which the fault lies, as the user named it. */
  file?: string;
  /** Line in that file, from 1. */
  line?: number;
  /** Column in that line, from 1. */
  column?: number;
  cause?: unknown;
}

/** A failure with a stable code. `message` already names file and line where they are known. */
export class AttuneError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;

  constructor(kind: ErrorKind, code: string, message: string, place: ErrorPlace = {}) {
    super(located(message, place), place.cause === undefined ? undefined : { cause: place.cause });
    this.name = new.target.name;
    this.kind = kind;
    this.code = code;
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
  }
}

/** The request is wrong: usage, recipe, options, output folder (exit status 2). */
export class RequestError extends AttuneError {
  constructor(code: string, message: string, place: ErrorPlace = {}) {
    super('request', code, message, place);
  }
}

/** Data, model, adapter or tokenizer files are missing or wrong (exit status 3). */
export class DataError extends AttuneError {
  constructor(code: string, message: string, place: ErrorPlace = {}) {
    super('data', code, message, place);
  }
}

/** The work itself failed: disk full, loss not finite, out of memory, a native fault (exit status 1). */
export class WorkError extends AttuneError {
  constructor(code: string, message: string, place: ErrorPlace = {}) {
    super('work', code, message, place);
  }
}

/** Stopped on request (SIGINT or an AbortSignal), with a checkpoint written (exit status 130). */
export class InterruptedError extends AttuneError {
  constructor(message: string) {
    super('interrupted', 'interrupted', message);
  }
}

const STATUS: Record<ErrorKind, number> = { work: 1, request: 2, data: 3, interrupted: 130 };

/** Exit status of the command line for any thrown value. */
export function exitStatus(error: unknown): number {
  return error instanceof AttuneError ? STATUS[error.kind] : 1;
}

function located(message: string, { file, line, column }: ErrorPlace): string {
  if (file === undefined) return message;
  const at = [file, line, line === undefined ? undefined : column].filter((part) => part !== undefined).join(':');
  return message.startsWith(at) ? message : `${at}: ${message}`;
}

/** The entry of `known` nearest to `name` by edit distance, if near enough to be meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 2)) + 1;
  for (const candidate of known) {
    const distance = editDistance(plain(name), plain(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

const plain = (name: string) => name.toLowerCase().replace(/[-_]/g, '');

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
