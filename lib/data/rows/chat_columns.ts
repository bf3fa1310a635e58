/** Columns that a chat has beside its messages, whatever the shape of the row: `system`, `history`, `tools`. */
import { DataError } from '../../errors/index.js';
import { isObject, JsonFault, parseJson } from '../../json/index.js';
import { kindOf, wellFormed } from '../read/values.js';
import type { ChatMessage, Row } from '../types.js';
import { messagesIn } from './chats.js';
import { contentText } from './content.js';

/** Names of the column with the system's text. */
const SYSTEM = ['system', 'system_prompt'];

/** All names of these columns. */
export const CHAT_COLUMNS = [...SYSTEM, 'history', 'tools'];

export const isEmpty = (value: unknown) =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

/** The row's messages with what its columns put before them: the system's text first, then the turns of `history`. */
export function withBeginning(row: Row, messages: readonly ChatMessage[]): ChatMessage[] {
  const [first, ...rest] = messages;
  const own = first?.role === 'system' || first?.role === 'developer' ? [first] : [];
  const given = systemOf(row);
  const system = own.length > 0 ? [] : given;
  if (own[0] !== undefined && given[0] !== undefined && contentText(own[0]) !== given[0].content)
    row.rules?.note('unused_column', systemColumn(row) ?? '', row, 'the messages begin with a system message of their own');
  return [...own, ...system, ...historyOf(row), ...(own.length > 0 ? rest : messages)];
}

/** The column that holds the system's text, where the row has one. */
export const systemColumn = ({ value }: Row) => SYSTEM.find((name) => Object.hasOwn(value, name) && !isEmpty(value[name]));

function systemOf(row: Row): ChatMessage[] {
  const column = systemColumn(row);
  if (column === undefined) return [];
  const text = row.value[column];
  if (typeof text === 'string') return [{ role: 'system', content: wellFormed(text, column, row) }];
  throw new DataError('no_text', `${column} must be a text, not ${kindOf(text)}`, { file: row.file, line: row.line });
}

/** LLaMA-Factory's `[[question, answer], …]`, or messages; either also as JSON text. */
function historyOf(row: Row): ChatMessage[] {
  const { history } = row.value;
  if (isEmpty(history)) return [];
  const turns = typeof history === 'string' ? parsed(row, history, 'history') : history;
  if (!Array.isArray(turns)) throw badHistory(row, 'history', turns);
  return turns.flatMap((turn, n) =>
    isObject(turn) ? messagesIn(row, turn, `history[${n}]`) : questionAndAnswer(row, turn, `history[${n}]`),
  );
}

function questionAndAnswer(row: Row, turn: unknown, at: string): ChatMessage[] {
  if (!Array.isArray(turn) || turn.length !== 2 || turn.some((text) => typeof text !== 'string')) throw badHistory(row, at, turn);
  const [question, answer] = turn as [string, string];
  return [
    { role: 'user', content: wellFormed(question, at, row) },
    { role: 'assistant', content: wellFormed(answer, at, row) },
  ];
}

const badHistory = (row: Row, at: string, value: unknown) =>
  new DataError(
    'bad_history',
    `${at} must be ${at === 'history' ? 'a list of ' : ''}[question, answer] or a message, not ${kindOf(value)}`,
    {
      file: row.file,
      line: row.line,
    },
  );

/** Tools of a chat: a list, or JSON text of one; its items may be JSON text as well. */
export function toolsOf(row: Row): { tools?: unknown[] } {
  const { tools } = row.value;
  if (isEmpty(tools)) return {};
  const whole = typeof tools === 'string' ? parsed(row, tools, 'tools') : tools;
  if (isEmpty(whole)) return {};
  if (Array.isArray(whole)) return { tools: whole.map((tool, n) => (typeof tool === 'string' ? parsed(row, tool, `tools[${n}]`) : tool)) };
  const message = `tools must be a list, or JSON text of one, not ${kindOf(whole)}`;
  throw new DataError('bad_tools', message, { file: row.file, line: row.line });
}

function parsed(row: Row, text: string, column: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    const why = cause instanceof JsonFault ? cause.message : String(cause);
    const code = column === 'history' ? 'bad_history' : 'bad_tools';
    throw new DataError(code, `${column} must be a list, or JSON text of one: ${why}`, { file: row.file, line: row.line, cause });
  }
}
