/** Keys of an answer that a template reads where its place in the text cannot be told. */
import { DataError } from '../errors/index.js';
import type { ChatMessage } from './chat_spans.js';

type Render = (messages: readonly ChatMessage[]) => string;

/** Keys of a message that are no part of what it says. */
const NOT_SAID = new Set(['role', 'content', 'name']);

/**
 * Where contents alone are looked for, other keys of an answer that change the text would be read and not learnt.
 * @throws DataError `untraceable_chat`
 */
export function refuseUnseen(text: string, messages: readonly ChatMessage[], render: Render): void {
  for (const [n, message] of messages.entries()) {
    if (message.role !== 'assistant') continue;
    for (const key of Object.keys(message).filter((one) => !NOT_SAID.has(one))) {
      const { [key]: value, ...rest } = message;
      const others = [rest, { ...rest, [key]: varied(value) }].map((one) => attempt(render, messages.with(n, one as ChatMessage)));
      if (isRead(text, others)) throw unseen(n, key);
    }
  }
}

/** Whether a text is another without a key, or with another value of it. A template that refuses both reads the key, too. */
const isRead = (text: string, others: readonly (string | undefined)[]) =>
  others.some((other) => other !== undefined && other !== text) || others.every((other) => other === undefined);

const unseen = (n: number, key: string) =>
  new DataError(
    'untraceable_chat',
    `the chat template writes ${key} of message ${n + 1} where its place in the text cannot be told, and it would not be trained; leave the key out, or use a template with {% generation %}`,
  );

/** A value of the same kind that is not the same. */
function varied(value: unknown): unknown {
  if (typeof value === 'string') return `${value}x`;
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (Array.isArray(value)) return value.map(varied);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, varied(one)]));
}

function attempt(render: Render, messages: readonly ChatMessage[]): string | undefined {
  try {
    return render(messages);
  } catch {
    return undefined;
  }
}
