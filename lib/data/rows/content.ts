/** Contents of messages: a text, or parts of which those of type `text` are read. */
import { DataError } from '../../errors/index.js';
import { isObject } from '../../json/index.js';
import { kindOf, wellFormed } from '../read/values.js';
import type { ChatMessage, ChatRenderer, MessagePart, Row } from '../types.js';

/** The content as one text: parts one after the other, with nothing between; '' where there is none. */
export const contentText = ({ content = '' }: Pick<ChatMessage, 'content'>): string =>
  typeof content === 'string' ? content : content.map(({ text }) => text).join('');

/** @param at place of the content in the row. @throws DataError `bad_message`, `unsupported_part` */
export function contentOf(row: Row, content: unknown, at: string): string | MessagePart[] {
  if (Array.isArray(content)) return content.map((part, n) => partOf(row, part, `${at}[${n}]`));
  if (typeof content === 'string') return wellFormed(content, at, row);
  const what = content === undefined ? 'missing' : kindOf(content);
  throw new DataError('bad_message', `${at} must be a text or a list of parts, not ${what}`, { file: row.file, line: row.line });
}

function partOf(row: Row, part: unknown, at: string): MessagePart {
  const place = { file: row.file, line: row.line };
  if (typeof part === 'string') return { type: 'text', text: wellFormed(part, at, row) };
  if (!isObject(part)) throw new DataError('bad_message', `${at} must be a part { type: text, text }, not ${kindOf(part)}`, place);
  const { type = 'text', text } = part;
  if (type !== 'text')
    throw new DataError('unsupported_part', `${at} is a part of type ${JSON.stringify(type)}; only parts of type text are read`, place);
  if (typeof text !== 'string')
    throw new DataError('bad_message', `${at}.text must be a text, not ${text === undefined ? 'missing' : kindOf(text)}`, place);
  return { ...part, type: 'text', text: wellFormed(text, `${at}.text`, row) };
}

const taking = new WeakMap<ChatRenderer, boolean>();
const PROBE = 'a part to look for';

/** The messages as a template can take them: parts as they are where it prints their texts, else each content as one text. */
export function fittingContents(messages: readonly ChatMessage[], chat: ChatRenderer): readonly ChatMessage[] {
  if (messages.every(({ content }) => !Array.isArray(content)) || takesParts(chat)) return messages;
  return messages.map((message) => (Array.isArray(message.content) ? { ...message, content: contentText(message) } : message));
}

/** Whether a template prints the text of a part, and not the list that it stands in. */
function takesParts(chat: ChatRenderer): boolean {
  const known = taking.get(chat);
  if (known !== undefined) return known;
  const takes = printsPart(chat);
  taking.set(chat, takes);
  return takes;
}

function printsPart(chat: ChatRenderer): boolean {
  try {
    const text = chat.prompt([{ role: 'user', content: [{ type: 'text', text: PROBE }] }]);
    return text.includes(PROBE) && !/['"]text['"]\s*:/.test(text);
  } catch {
    return false; // it fails on a list, or wants more than one message: one text is what every template takes
  }
}
