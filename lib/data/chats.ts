/** Messages of chats, in the two ways that data sets write them. */
import { DataError, nearest } from '../errors/index.js';
import type { ChatMessage, Row } from './types.js';
import { kindOf, wellFormed } from './values.js';

/** `messages: [{ role, content }]`; other keys of a message are kept for the template. */
export function plainMessages(row: Row): ChatMessage[] {
  return list(row, row.value.messages, 'messages').map((message, n) => plainMessage(row, message, `messages[${n}]`));
}

/** Messages in a column of any name, in either way of writing them. A message alone counts as a list of one. */
export function messagesIn(row: Row, value: unknown, column: string): ChatMessage[] {
  const whole = value !== null && typeof value === 'object' && !Array.isArray(value) ? [value] : value;
  return list(row, whole, column).map((message, n) => {
    const at = `${column}[${n}]`;
    return Object.hasOwn(message, 'from') && !Object.hasOwn(message, 'role')
      ? turnMessage(row, message, at)
      : plainMessage(row, message, at);
  });
}

function plainMessage(row: Row, message: Record<string, unknown>, at: string): ChatMessage {
  return { ...message, role: text(row, message.role, `${at}.role`), content: contentOf(row, message, at) };
}

/** A message that calls tools may have no content. */
function contentOf(row: Row, message: Record<string, unknown>, at: string): string {
  const calls = Array.isArray(message.tool_calls) && message.tool_calls.length > 0;
  if (calls && (message.content === null || message.content === undefined)) return '';
  return text(row, message.content, `${at}.content`);
}

/**
 * Roles of ShareGPT → roles of chat templates. A function call is the assistant's own text and is trained as such; what came back from it is
 * a message of the tool.
 */
const ROLES: Record<string, string> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  chatgpt: 'assistant',
  function_call: 'assistant',
  observation: 'tool',
  tool: 'tool',
  system: 'system',
};

/** ShareGPT's `conversations: [{ from, value }]`, with the column `system` as the first message where there is one. */
export function conversationMessages(row: Row): ChatMessage[] {
  const messages = list(row, row.value.conversations, 'conversations').map((turn, n) => turnMessage(row, turn, `conversations[${n}]`));
  const { system } = row.value;
  const first = typeof system === 'string' && system !== '' && messages[0]?.role !== 'system';
  return first ? [{ role: 'system', content: wellFormed(system, 'system', row) }, ...messages] : messages;
}

function turnMessage(row: Row, turn: Record<string, unknown>, at: string): ChatMessage {
  return { role: roleOf(row, text(row, turn.from, `${at}.from`), at), content: text(row, turn.value, `${at}.value`) };
}

function roleOf(row: Row, from: string, at: string): string {
  const role = Object.hasOwn(ROLES, from) ? ROLES[from] : undefined;
  if (role !== undefined) return role;
  const guess = nearest(from, Object.keys(ROLES));
  const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
  throw new DataError('bad_message', `${at}.from is "${from}"; known are ${Object.keys(ROLES).join(', ')}${hint}`, {
    file: row.file,
    line: row.line,
  });
}

function list(row: Row, value: unknown, column: string): Record<string, unknown>[] {
  const place = { file: row.file, line: row.line };
  if (!Array.isArray(value))
    throw new DataError(
      'bad_message',
      `${column} must be a list of messages, not ${value === undefined ? 'missing' : kindOf(value)}`,
      place,
    );
  if (value.length === 0) throw new DataError('bad_message', `${column} is an empty list`, place);
  const wrong = value.findIndex((message) => message === null || typeof message !== 'object' || Array.isArray(message));
  if (wrong >= 0) throw new DataError('bad_message', `${column}[${wrong}] must be an object, not ${kindOf(value[wrong])}`, place);
  return value;
}

function text(row: Row, value: unknown, at: string): string {
  if (typeof value === 'string') return wellFormed(value, at, row);
  const what = value === undefined ? 'missing' : kindOf(value);
  throw new DataError('bad_message', `${at} must be a text, not ${what}`, { file: row.file, line: row.line });
}
