/** The fields or messages of a row, in the shape that its file has. */
import { DataError, nearest } from '../errors/index.js';
import { JsonFault, parseJson } from '../json/index.js';
import { conversationMessages, messagesIn, plainMessages } from './chats.js';
import { listed } from './kinds.js';
import { columnOf, type Mapping, type Shape } from './mapping.js';
import type { ChatMessage, Origin, Row } from './types.js';
import { isNumber, kindOf, wellFormed } from './values.js';

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
  /** Of the messages only the last is an answer to learn; the others are its prompt. */
  lastAlone?: boolean;
  tools?: unknown;
}

/** Fields that may be missing or null, and are then empty. */
const OPTIONAL = new Set(['context', 'input']);

/** The row's fields, or those of its prompt. A row of another shape, or a value that is no text, is an error with its place. */
export function mapRow(row: Row, mapping: Mapping): ShapedRow {
  const { shape, columns } = mapping;
  if (shape === 'messages') return { ...origin(row), shape, fields: {}, ...chatOf(row, mapping), ...toolsOf(row) };
  if (shape === 'conversations') return { ...origin(row), shape, fields: {}, messages: conversationMessages(row), ...toolsOf(row) };
  const fields = Object.fromEntries(Object.entries(columns).map(([field, column]) => [field, fieldOf(row, mapping, field, column)]));
  if (shape === 'instruction') fields.context = fieldOf(row, mapping, 'context', columnOf(row, 'context') ?? 'context');
  return { ...origin(row), shape, fields };
}

export const origin = ({ file, line }: Row): Origin => ({ file, line });

function chatOf(row: Row, mapping: Mapping): Pick<ShapedRow, 'messages' | 'lastAlone'> {
  const { messages: column = 'messages', completion } = mapping.columns;
  if (column === 'messages') return { messages: plainMessages(row) };
  const messages = messagesIn(row, columnValue(row, mapping, column), column);
  if (completion === undefined) return { messages };
  return { messages: [...messages, answerMessage(answerIn(row, mapping, completion))], lastAlone: true };
}

/** One answer: a text, or a message of the assistant, alone or as a list of one. */
export interface Answer extends Field {
  message?: ChatMessage;
}

/** The answer in a column. @throws DataError `no_text`, `bad_message`, `missing_column` */
export function answerIn(row: Row, mapping: Mapping, column: string): Answer {
  return answerFrom(row, columnValue(row, mapping, column), column);
}

/** The answer that a value is; `field` names it. */
export function answerFrom(row: Row, value: unknown, field: string): Answer {
  if (typeof value === 'string') return { text: wellFormed(value, field, row), field };
  if (value === null || typeof value !== 'object')
    throw new DataError('no_text', `${field} must be a text or a message of the assistant, not ${kindOf(value)}`, origin(row));
  const messages = messagesIn(row, value, field);
  const [message] = messages;
  if (messages.length === 1 && message?.role === 'assistant') return { text: message.content, field, message };
  const what = messages.length === 1 ? `one of ${message?.role}` : `${messages.length} messages`;
  throw new DataError('bad_message', `${field} must be one message of the assistant, not ${what}`, origin(row));
}

export const answerMessage = ({ text, message }: Answer): ChatMessage => message ?? { role: 'assistant', content: text };

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

/** Tools of a chat: a list, or JSON text of one. */
export function toolsOf(row: Row): { tools?: unknown } {
  const { tools } = row.value;
  if (tools === undefined || tools === null || tools === '') return {};
  if (typeof tools !== 'string') return { tools };
  try {
    return { tools: parseJson(tools) };
  } catch (cause) {
    const why = cause instanceof JsonFault ? cause.message : '';
    throw new DataError('bad_tools', `tools must be a list, or JSON text of one: ${why}`, { ...origin(row), cause });
  }
}
