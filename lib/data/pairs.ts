/** Pairs of a chosen and a rejected answer, in all the ways that data sets write them. */
import { isDeepStrictEqual } from 'node:util';
import { DataError } from '../errors/index.js';
import { commonBeginning } from './beginning.js';
import { messagesIn } from './chats.js';
import type { Mapping } from './mapping.js';
import { type Answer, answerIn, columnValue, mapRow, origin, type ShapedRow, toolsOf } from './rows.js';
import type { ChatMessage, Row } from './types.js';
import { kindOf, wellFormed } from './values.js';

/** A prompt and two answers to it, the chosen one first. */
export interface Pair {
  prompt: ShapedRow;
  answers: [Answer, Answer];
}

/** The pair of a row. @throws DataError `no_prompt`, `prompts_differ`, `bad_message`, `no_text`, `missing_column` */
export function pairOf(row: Row, mapping: Mapping): Pair {
  const { chosen = 'chosen', rejected = 'rejected' } = mapping.answers;
  if (mapping.shape === 'common') return textPair(row, mapping, chosen, rejected);
  if (mapping.shape === 'messages' && mapping.columns.messages === undefined) return chatPair(row, mapping, chosen, rejected);
  return { prompt: mapRow(row, mapping), answers: [answerIn(row, mapping, chosen), answerIn(row, mapping, rejected)] };
}

/** Two texts that begin alike. Two that are equal are found out by what calls this. */
function textPair(row: Row, mapping: Mapping, chosen: string, rejected: string): Pair {
  const [better, worse] = [wholeText(row, mapping, chosen), wholeText(row, mapping, rejected)];
  const prompt = commonBeginning(better, worse);
  if (prompt === '' && better !== worse) throw noPrompt(row, `${chosen} and ${rejected} have no common beginning to be their prompt`);
  const answer = (text: string, field: string): Answer => ({ text: text.slice(prompt.length), field });
  const fields = { prompt: { text: prompt, field: chosen } };
  return { prompt: { ...origin(row), shape: 'common', fields }, answers: [answer(better, chosen), answer(worse, rejected)] };
}

function wholeText(row: Row, mapping: Mapping, column: string): string {
  const value = columnValue(row, mapping, column);
  if (typeof value === 'string') return wellFormed(value, column, row);
  throw new DataError('no_text', `${column} must be a text as in the file's first row, not ${kindOf(value)}`, origin(row));
}

/** Two whole chats, alike but for the last message. */
function chatPair(row: Row, mapping: Mapping, chosen: string, rejected: string): Pair {
  const [better, worse] = [wholeChat(row, mapping, chosen), wholeChat(row, mapping, rejected)];
  const differs = better.before.findIndex((message, n) => !isDeepStrictEqual(message, worse.before[n]));
  if (differs >= 0 || better.before.length !== worse.before.length) {
    const which = differs < 0 ? 'one has more messages' : `message ${differs + 1}`;
    throw new DataError('prompts_differ', `${chosen} and ${rejected} differ before their last message (${which})`, origin(row));
  }
  const messages = wholePrompt(row, mapping.columns.prompt, better.before);
  return { prompt: { ...origin(row), shape: 'messages', fields: {}, messages, ...toolsOf(row) }, answers: [better.answer, worse.answer] };
}

function wholeChat(row: Row, mapping: Mapping, column: string): { before: ChatMessage[]; answer: Answer } {
  const messages = messagesIn(row, columnValue(row, mapping, column), column);
  const message = messages.at(-1);
  if (message?.role === 'assistant') return { before: messages.slice(0, -1), answer: { text: message.content, field: column, message } };
  throw new DataError('bad_message', `the last message of ${column} must be the assistant's, not one of ${message?.role}`, origin(row));
}

/** A column `prompt` beside whole chats says again how they begin, or comes before them. */
function wholePrompt(row: Row, column: string | undefined, before: ChatMessage[]): ChatMessage[] {
  const prompt = column === undefined ? undefined : row.value[column];
  if (typeof prompt === 'string') {
    if (before.length === 0) return [{ role: 'user', content: wellFormed(prompt, 'prompt', row) }];
    if (before.some(({ role, content }) => role === 'user' && content === prompt)) return before;
    throw new DataError('prompts_differ', 'prompt is not what the user says in the chats of chosen and rejected', origin(row));
  }
  const messages = prompt === undefined || prompt === null ? [] : messagesIn(row, prompt, 'prompt');
  const repeated = messages.every((message, n) => isDeepStrictEqual(message, before[n]));
  const whole = repeated ? before : [...messages, ...before];
  if (whole.length > 0) return whole;
  throw noPrompt(row, 'the chats hold nothing before the last message to be their prompt');
}

const noPrompt = (row: Row, what: string) => new DataError('no_prompt', `${what}; give the rows a column prompt`, origin(row));

/** Whether two answers say the same. */
export const isSame = (a: Answer, b: Answer) => a.text === b.text && isDeepStrictEqual(a.message, b.message);
