/** Which shape a file's rows have, seen from the keys of its first row, and the fields of each row in that shape. */
import { DataError, nearest } from '../errors/index.js';
import { conversationMessages, plainMessages } from './chats.js';
import type { ChatMessage, Origin, Row } from './types.js';
import { kindOf, wellFormed } from './values.js';

export type Shape = 'text' | 'prompt' | 'instruction' | 'messages' | 'conversations' | 'columns';

/** What a file's rows are, and which of its columns stands for which field. */
export interface Mapping {
  shape: Shape;
  /** Our name of a field → the file's column. */
  columns: Record<string, string>;
}

/** A text with the column that it came from. */
export interface Field {
  text: string;
  field: string;
}

/** A row in its shape: named fields, or the messages of a chat. */
export interface ShapedRow extends Origin {
  shape: Shape;
  fields: Record<string, Field>;
  messages?: ChatMessage[];
  tools?: unknown;
}

/** Names of one field in different data sets. */
const ALIASES: Record<string, readonly string[]> = { response: ['response', 'output'], context: ['context', 'input'] };
/** Fields that may be missing or null, and are then empty. */
const OPTIONAL = new Set(['context', 'input']);

const SHAPES: readonly { shape: Shape; needs: readonly string[] }[] = [
  { shape: 'messages', needs: ['messages'] },
  { shape: 'conversations', needs: ['conversations'] },
  { shape: 'prompt', needs: ['prompt', 'completion'] },
  { shape: 'instruction', needs: ['instruction', 'response'] },
  { shape: 'text', needs: ['text'] },
];

const ACCEPTED =
  'text; prompt and completion; instruction, context or input, and response or output; messages; conversations; or any columns with a template of your own';

/** The shape of the rows that begin with `row`. @throws DataError `unknown_columns` */
export function detectMapping(row: Row): Mapping {
  const found = SHAPES.find(({ needs }) => needs.every((field) => columnOf(row, field) !== undefined));
  if (found !== undefined)
    return { shape: found.shape, columns: columnsOf(row, found.shape === 'instruction' ? [...found.needs, 'context'] : found.needs) };
  const keys = Object.keys(row.value);
  const guess = keys.map((key) => nearest(key, ['text', 'prompt', 'completion', 'instruction', 'response', 'messages'])).find(Boolean);
  const hint = guess === undefined ? '' : ` (did you mean ${guess}?)`;
  throw new DataError('unknown_columns', `columns ${listed(keys)}${hint}; expected ${ACCEPTED}`, row);
}

/** The columns for a template's placeholders. -> undefined for a placeholder that is no column of the row. */
export function placeholderMapping(row: Row, placeholders: readonly string[]): { mapping: Mapping; unknown: string[] } {
  const unknown = placeholders.filter((name) => columnOf(row, name) === undefined);
  return { mapping: { shape: 'columns', columns: columnsOf(row, placeholders) }, unknown };
}

function columnsOf(row: Row, fields: readonly string[]): Record<string, string> {
  const named = fields.map((field) => [field, columnOf(row, field)]);
  return Object.fromEntries(named.filter(([, column]) => column !== undefined));
}

/** The column of `row` that holds a field, under its own name or another of the field's names. */
function columnOf({ value }: Row, field: string): string | undefined {
  const others = Object.values(ALIASES).find((names) => names.includes(field)) ?? [];
  return [field, ...others].find((name) => Object.hasOwn(value, name));
}

/** The row's fields. A row of another shape, or a value that is no text, is an error with its place. */
export function mapRow(row: Row, mapping: Mapping): ShapedRow {
  const { shape } = mapping;
  if (shape === 'messages') return { ...origin(row), shape, fields: {}, messages: plainMessages(row), ...toolsOf(row) };
  if (shape === 'conversations') return { ...origin(row), shape, fields: {}, messages: conversationMessages(row), ...toolsOf(row) };
  const fields = Object.fromEntries(
    Object.entries(mapping.columns).map(([field, column]) => [field, fieldOf(row, mapping, field, column)]),
  );
  if (shape === 'instruction') fields.context = fieldOf(row, mapping, 'context', columnOf(row, 'context') ?? 'context');
  return { ...origin(row), shape, fields };
}

const origin = ({ file, line }: Row): Origin => ({ file, line });

function fieldOf(row: Row, { shape }: Mapping, field: string, column: string): Field {
  const value = Object.hasOwn(row.value, column) ? row.value[column] : undefined;
  if (typeof value === 'string') return { text: wellFormed(value, column, row), field: column };
  if ((value === undefined || value === null) && OPTIONAL.has(field)) return { text: '', field: column };
  if (value === undefined) throw missing(row, shape, column);
  if (shape === 'columns' && (typeof value === 'number' || typeof value === 'boolean')) return { text: String(value), field: column };
  throw new DataError('no_text', `${column} must be a text, not ${kindOf(value)}`, origin(row));
}

function missing(row: Row, shape: Shape, column: string): DataError {
  const keys = Object.keys(row.value);
  const guess = nearest(column, keys);
  const hint = guess === undefined ? '' : `; ${guess} may be meant`;
  const rows = shape === 'columns' ? 'the template needs it' : `the file's first row makes its rows ${shape} rows`;
  return new DataError('missing_column', `no column ${column} in this row (${rows}); its columns are ${listed(keys)}${hint}`, origin(row));
}

/** Tools of a chat: a list, or JSON text of one. */
function toolsOf(row: Row): { tools?: unknown } {
  const { tools } = row.value;
  if (tools === undefined || tools === null || tools === '') return {};
  if (typeof tools !== 'string') return { tools };
  try {
    return { tools: JSON.parse(tools) };
  } catch (cause) {
    throw new DataError('bad_tools', 'tools must be a list, or JSON text of one', { ...origin(row), cause });
  }
}

const listed = (keys: string[]) => (keys.length > 12 ? `${keys.slice(0, 12).join(', ')} … (${keys.length})` : keys.join(', ') || '(none)');
