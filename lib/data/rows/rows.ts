/** The fields or messages of a row, in the shape that its file has. */
import { DataError, nearest } from '../../errors/index.js';
import { isNumber, kindOf, wellFormed } from '../read/values.js';
import type { ChatMessage, Origin, Row, RowRules } from '../types.js';
import { toolsOf, withBeginning } from './chat_columns.js';
import { messagesIn } from './chats.js';
import { contentText } from './content.js';
import { listed } from './kinds.js';
import { columnOf, type Mapping, type Shape } from './mapping.js';

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
  /** Messages that go before the fields, where these become a chat. */
  before?: ChatMessage[];
  /** Messages from this place on are the answer to learn; those before it are its prompt. Default 0. */
  trainedFrom?: number;
  tools?: unknown[];
  rules?: RowRules;
}

/** Fields that may be missing or null, and are then empty. */
const OPTIONAL = new Set(['context', 'input']);

/** The row's fields, or those of its prompt. A row of another shape, or a value that is no text, is an error with its place. */
export function mapRow(row: Row, mapping: Mapping): ShapedRow {
  const { shape, columns } = mapping;
  if (shape === 'messages' || shape === 'conversations') return { ...shaped(row, shape), ...chatOf(row, mapping) };
  const fields = Object.fromEntries(Object.entries(columns).map(([field, column]) => [field, fieldOf(row, mapping, field, column)]));
  if (shape === 'instruction') fields.context = fieldOf(row, mapping, 'context', columnOf(row, 'context') ?? 'context');
  return { ...shaped(row, shape), fields, ...(row.rules?.isChat && { before: withBeginning(row, []) }) };
}

/** A row without fields and messages, with what a chat has beside them. */
export const shaped = (row: Row, shape: Shape): ShapedRow => ({
  ...origin(row),
  shape,
  fields: {},
  ...(row.rules && { rules: row.rules }),
  ...(row.rules?.isChat !== false && toolsOf(row)),
});

export const origin = ({ file, line }: Row): Origin => ({ file, line });

function chatOf(row: Row, mapping: Mapping): Pick<ShapedRow, 'messages' | 'trainedFrom'> {
  const { messages: column = mapping.shape, completion } = mapping.columns;
  const messages = withBeginning(row, messagesIn(row, columnValue(row, mapping, column), column));
  if (completion === undefined) return { messages };
  return { messages: [...messages, ...answerMessages(answerIn(row, mapping, completion))], trainedFrom: messages.length };
}

/** One answer: a text; or messages, the last of them the assistant's (and before it, say, a call of a tool and what came back). */
export interface Answer extends Field {
  messages?: ChatMessage[];
}

/** The answer in a column. @throws DataError `no_text`, `bad_message`, `missing_column` */
export function answerIn(row: Row, mapping: Mapping, column: string): Answer {
  return answerFrom(row, columnValue(row, mapping, column), column);
}

/** The answer that a value is; `field` names it. */
export function answerFrom(row: Row, value: unknown, field: string): Answer {
  if (typeof value === 'string') return { text: wellFormed(value, field, row), field };
  if (value === null || typeof value !== 'object')
    throw new DataError('no_text', `${field} must be a text or messages of the assistant, not ${kindOf(value)}`, origin(row));
  return answerOf(row, messagesIn(row, value, field), field);
}

/** Messages that are an answer. @throws DataError `bad_message` where they do not begin behind the prompt, or do not end with the assistant */
export function answerOf(row: Row, messages: ChatMessage[], field: string): Answer {
  const [first, last] = [messages[0], messages.at(-1)];
  const wrong = last?.role !== 'assistant' ? last : first?.role === 'user' || first?.role === 'system' ? first : undefined;
  if (wrong === undefined) return { text: messages.map(contentText).join(''), field, messages };
  const message = `${field} must be an answer: messages that end with the assistant's, and begin with no user's; not one of ${wrong.role}`;
  throw new DataError('bad_message', message, origin(row));
}

export const answerMessages = ({ text, messages }: Answer): ChatMessage[] => messages ?? [{ role: 'assistant', content: text }];

/** The value in a column that the file's first row has. @throws DataError `missing_column` */
export function columnValue(row: Row, mapping: Mapping, column: string): unknown {
  const value = Object.hasOwn(row.value, column) ? row.value[column] : undefined;
  if (value === undefined) throw missing(row, mapping, column);
  return value;
}

/** The list in a column. */
export function listIn(row: Row, mapping: Mapping, column: string): unknown[] {
  const value = columnValue(row, mapping, column);
  if (Array.isArray(value)) return value;
  throw new DataError('no_list', `${column} must be a list, not ${kindOf(value)}`, origin(row));
}

function fieldOf(row: Row, mapping: Mapping, field: string, column: string): Field {
  const value = Object.hasOwn(row.value, column) ? row.value[column] : undefined;
  if (typeof value === 'string') return { text: wellFormed(value, column, row), field: column };
  if ((value === undefined || value === null) && OPTIONAL.has(field)) return { text: '', field: column };
  if (value === undefined) throw missing(row, mapping, column);
  const isPlain = isNumber(value) || typeof value === 'boolean';
  if (mapping.shape === 'columns' && isPlain) return { text: String(value), field: column };
  throw new DataError('no_text', `${column} must be a text, not ${kindOf(value)}`, origin(row));
}

function missing(row: Row, { kind, shape }: Mapping, column: string): DataError {
  const keys = Object.keys(row.value);
  const guess = nearest(column, keys);
  const hint = guess === undefined ? '' : `; ${guess} may be meant`;
  const rows = kind === 'rows' ? `${shape} rows` : kind;
  const why = shape === 'columns' ? 'the template needs it' : `the file's first row makes its rows ${rows}`;
  return new DataError('missing_column', `no column ${column} in this row (${why}); its columns are ${listed(keys)}${hint}`, origin(row));
}
