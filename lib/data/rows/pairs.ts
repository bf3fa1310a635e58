/** Pairs of a chosen and a rejected answer, in all the ways that data sets write them. */
import { isDeepStrictEqual } from 'node:util';
import { DataError } from '../../errors/index.js';
import { kindOf, wellFormed } from '../read/values.js';
import type { ChatMessage, Row } from '../types.js';
import { commonBeginning } from './beginning.js';
import { withBeginning } from './chat_columns.js';
import { messagesIn } from './chats.js';
import { contentText } from './content.js';
import type { Mapping } from './mapping.js';
import { type Answer, answerIn, answerOf, columnValue, mapRow, origin, type ShapedRow, shaped } from './rows.js';

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
  const before = row.rules?.isChat ? { before: withBeginning(row, []) } : {};
  return { prompt: { ...shaped(row, 'common'), fields, ...before }, answers: [answer(better, chosen), answer(worse, rejected)] };
}

function wholeText(row: Row, mapping: Mapping, column: string): string {
  const value = columnValue(row, mapping, column);
  if (typeof value === 'string') return wellFormed(value, column, row);
  throw new DataError('no_text', `${column} must be a text as in the file's first row, not ${kindOf(value)}`, origin(row));
}

/**
 * Two whole chats: what they begin with alike is the prompt. Without a column `prompt` they are alike but for the last message; with one an answer
 * may be several messages.
 */
function chatPair(row: Row, mapping: Mapping, chosen: string, rejected: string): Pair {
  const [better, worse] = [wholeChat(row, mapping, chosen), wholeChat(row, mapping, rejected)];
  const most = Math.min(better.length, worse.length) - 1;
  const differs = better.slice(0, most).findIndex((message, n) => !isDeepStrictEqual(message, worse[n]));
  const common = differs < 0 ? most : differs;
  const isPrompt = ({ role }: ChatMessage) => role === 'user' || role === 'system';
  const isDifferent = better.length !== worse.length || differs >= 0;
  if (isDifferent && (mapping.columns.prompt === undefined || [better[common], worse[common]].some((one) => one && isPrompt(one)))) {
    const which = differs < 0 ? 'one has more messages' : `message ${differs + 1}`;
    throw new DataError('prompts_differ', `${chosen} and ${rejected} differ before their last message (${which})`, origin(row));
  }
  const messages = withBeginning(row, wholePrompt(row, mapping.columns.prompt, better.slice(0, common)));
  const answers = [answerOf(row, better.slice(common), chosen), answerOf(row, worse.slice(common), rejected)] as Pair['answers'];
  return { prompt: { ...shaped(row, 'messages'), messages }, answers };
}

function wholeChat(row: Row, mapping: Mapping, column: string): ChatMessage[] {
  const messages = messagesIn(row, columnValue(row, mapping, column), column);
  const last = messages.at(-1);
  if (last?.role === 'assistant') return messages;
  throw new DataError('bad_message', `the last message of ${column} must be the assistant's, not one of ${last?.role}`, origin(row));
}

/** A column `prompt` beside whole chats says again how they begin, or comes before them. */
function wholePrompt(row: Row, column: string | undefined, before: ChatMessage[]): ChatMessage[] {
  const prompt = column === undefined ? undefined : row.value[column];
  if (typeof prompt === 'string') {
    if (before.length === 0) return [{ role: 'user', content: wellFormed(prompt, 'prompt', row) }];
    if (before.some((message) => message.role === 'user' && contentText(message) === prompt)) return before;
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
export const isSame = (a: Answer, b: Answer) => a.text === b.text && isDeepStrictEqual(a.messages, b.messages);
