/** Kinds of rows, by what a method can learn from them, and the refusal of rows of another kind. */
import { DataError, nearest } from '../../errors/index.js';
import type { Row } from '../types.js';

/** `rows`: texts and answers, each by itself. The others: see `UnitKind`. The most telling ones come first. */
export const KINDS = ['pairs', 'rankings', 'thumbs', 'rows', 'prompts'] as const;
export type Kind = (typeof KINDS)[number];

/** Which rows a method takes. */
export interface Accepts {
  /** The method, for messages; left out: the command takes such rows. */
  method?: string;
  /** Kinds that it takes, the first choice first. Beside thumbs, pairs are taken apart into thumbs. */
  kinds: readonly Kind[];
  /** Methods that take a kind, for messages to those who have rows of another one. */
  methodsOf?: Partial<Record<Kind, readonly string[]>>;
}

export const ROWS_ALONE: Accepts = { kinds: ['rows'] };

const isKind = (word: string): word is Kind => (KINDS as readonly string[]).includes(word);

/** Kinds in the words that methods use for their rows: shapes of plain rows (text, prompt, instruction, chat) are `rows`. */
const kindsOf = (words: readonly string[]): Kind[] => [...new Set(words.map((word) => (isKind(word) ? word : 'rows')))];

/** What one method takes, with what the others take for messages. `rows`: the words of every method. */
export function acceptedRows(method: string, rows: Readonly<Record<string, readonly string[]>>): Accepts {
  const takers = Object.entries(rows).map(([name, words]) => ({ name, kinds: kindsOf(words) }));
  const methodsOf = Object.fromEntries(
    KINDS.map((kind) => [kind, takers.filter(({ kinds }) => kinds.includes(kind)).map(({ name }) => name)]),
  );
  return { method, kinds: kindsOf(rows[method] ?? []), methodsOf };
}

/** Columns of each kind, in words. */
const COLUMNS: Record<Kind, string> = {
  rows: 'text; prompt and completion; instruction, context or input, and response or output; messages; conversations; or any columns with a template of your own',
  pairs:
    'prompt, chosen and rejected; chosen and rejected with a common beginning; or any columns with a template { prompt, chosen, rejected }',
  rankings: 'prompt and answers [{ text, rank }], or prompt and ranking [best, …, worst]',
  thumbs: 'prompt, completion and label (true or false)',
  prompts: 'prompt; messages that end with the user; or any columns with a template { prompt }',
};

const FIELDS: Record<Kind, readonly string[]> = {
  rows: ['text', 'prompt', 'completion', 'instruction', 'response', 'messages'],
  pairs: ['prompt', 'chosen', 'rejected'],
  rankings: ['prompt', 'answers', 'ranking'],
  thumbs: ['prompt', 'completion', 'label'],
  prompts: ['prompt', 'messages'],
};

/** The refusal of a row by its columns. `fitting`: kinds that they would make, the most telling first. */
export function wrongColumns(row: Row, accepts: Accepts, fitting: readonly Kind[]): DataError {
  const keys = Object.keys(row.value);
  const { method, kinds } = accepts;
  const hint = fitting.some((kind) => kind !== 'prompts') ? '' : nearColumn(keys, accepts);
  const takes = kinds.map((kind) => `${kind} (${COLUMNS[kind]})`).join(' or ');
  const wanted = method === undefined ? `expected ${kinds.map((kind) => COLUMNS[kind]).join('; ')}` : `${method} takes ${takes}`;
  const message = `columns ${listed(keys)}${hint}; ${wanted}${fittingWords(accepts, fitting)}`;
  return new DataError(fitting.length > 0 ? 'wrong_kind' : 'unknown_columns', message, { file: row.file, line: row.line });
}

/** A guess for the first column that is not known as it stands. */
function nearColumn(keys: readonly string[], { kinds }: Accepts): string {
  const known = [...new Set(kinds.flatMap((kind) => FIELDS[kind]))];
  const guess = keys.map((key) => (known.includes(key) ? undefined : nearest(key, known))).find(Boolean);
  return guess === undefined ? '' : ` (did you mean ${guess}?)`;
}

/** Any row with a prompt makes a prompt: that is said only where nothing else can be. */
function fittingWords({ methodsOf = {} }: Accepts, fitting: readonly Kind[]): string {
  const telling = fitting.length > 1 ? fitting.filter((kind) => kind !== 'prompts') : fitting;
  if (telling.length === 0) return '';
  const words = telling.map((kind) => {
    const methods = methodsOf[kind] ?? [];
    return methods.length === 0 ? kind : `${kind}, which ${methods.join(', ')} ${methods.length === 1 ? 'takes' : 'take'}`;
  });
  return `. These columns make ${words.join('; or ')}`;
}

/** Names of columns for a message. */
export const listed = (keys: readonly string[]) =>
  keys.length > 12 ? `${keys.slice(0, 12).join(', ')} … (${keys.length})` : keys.join(', ') || '(none)';
