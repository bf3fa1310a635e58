/** Keys of messages that a chat template may leave out: whether it prints them is found by rendering without them. */

import type { ChatMessage, ChatRenderer, Origin, RemarkCode } from '../types.js';
import { TEMPLATE_KEYS } from './chats.js';
import type { Remarks } from './remarks.js';

/** Rows that are asked before a key counts as unused: each costs two renderings. */
const ASKED = 50;

/** Follows the rows of one file: a key that the template prints in one of them is used. */
export class KeyWatch {
  readonly #used = new Set<string>();
  readonly #asked = new Map<string, number>();

  constructor(private readonly remarks: Remarks) {}

  /** Remarks what of a row's messages, and of its tools, the template does not print. */
  watch(row: Origin & { tools?: unknown }, messages: readonly ChatMessage[], chat: ChatRenderer): void {
    const { tools } = row;
    for (const key of TEMPLATE_KEYS.filter((one) => messages.some((message) => one in message))) {
      const without = messages.map(({ [key]: _left, ...message }) => message as ChatMessage);
      const isUsed = this.#isUsed(key, () => printed(chat, messages, tools) !== printed(chat, without, tools));
      this.#remark(isUsed, 'unused_key', `the key ${key} of messages`, row);
    }
    if (tools === undefined) return;
    const isUsed = this.#isUsed('tools', () => printed(chat, messages, tools) !== printed(chat, messages, undefined));
    this.#remark(isUsed, 'unused_column', 'tools', row);
  }

  #remark(isUsed: boolean, code: RemarkCode, name: string, row: Origin): void {
    if (isUsed) this.remarks.forget(code, name, row.file);
    else this.remarks.note(code, name, row, 'the chat template does not print it');
  }

  #isUsed(key: string, ask: () => boolean): boolean {
    if (this.#used.has(key)) return true;
    const asked = this.#asked.get(key) ?? 0;
    if (asked >= ASKED) return false;
    this.#asked.set(key, asked + 1);
    if (ask()) this.#used.add(key);
    return this.#used.has(key);
  }
}

function printed(chat: ChatRenderer, messages: readonly ChatMessage[], tools: unknown): string {
  try {
    return chat.prompt(messages, tools === undefined ? {} : { tools });
  } catch (error) {
    return String(error); // without the key it fails: another outcome, hence used
  }
}
