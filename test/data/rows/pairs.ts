/**
 * A tokenizer that needs no file: two bytes of UTF-8 make a token, so that tokens straddle borders between segments. With `special` the text
 * `</s>` is the end token, as in a chat template.
 */
import type { ChatMessage, ChatRenderer, RowTokenizer, Segment } from '../../../lib/data/types.js';

const BOS = 1;
const EOS = 2;

type Spans = readonly Pick<Segment, 'text' | 'trained'>[];

function pieces(spans: Spans, special: boolean): { bytes: number[]; marks: number[] }[] {
  const bytes = spans.flatMap(({ text }) => [...Buffer.from(text)]);
  const marks = spans.flatMap(({ text, trained }) => [...Buffer.from(text)].map(() => Number(trained)));
  const found: { bytes: number[]; marks: number[] }[] = [];
  const whole = Buffer.from(bytes);
  for (let at = 0; at < bytes.length; ) {
    const stop = special ? whole.indexOf('</s>', at) : -1;
    const end = stop === at ? at + 4 : Math.min(at + 2, stop < 0 ? bytes.length : stop);
    found.push({ bytes: bytes.slice(at, end), marks: marks.slice(at, end) });
    at = end;
  }
  return found;
}

function encode(spans: Spans, special: boolean): { ids: Int32Array; trained: Uint8Array } {
  const all = pieces(spans, special);
  const ids = all.map(({ bytes: [a = 0, b, c] }) => (c !== undefined ? EOS : b === undefined ? 3 + a : 300 + 256 * a + b));
  const trained = all.map(({ marks }) => Number(marks.includes(1)));
  return { ids: Int32Array.from(ids), trained: Uint8Array.from(trained) };
}

function bytesOf(id: number): number[] {
  if (id === EOS) return [...Buffer.from('</s>')];
  if (id < 3) return [];
  return id < 300 ? [id - 3] : [Math.floor((id - 300) / 256), (id - 300) % 256];
}

export const pairs: RowTokenizer = {
  bos: BOS,
  eos: EOS,
  encodeSpansMany: async (rows, { special = false } = {}) => rows.map((row) => encode(row, special)),
  tokenText: (id) => Buffer.from(bytesOf(id)).toString(),
  decode: (ids) => Buffer.from(Array.from(ids).flatMap(bytesOf)).toString(),
};

/** `[role]content</s>\n` a message; refuses the role `nobody`. A prompt ends with `[assistant]`. */
export const simpleChat: ChatRenderer = {
  prompt: (messages) => {
    const text = simpleChat.render(messages).map((part) => part.text);
    return `${text.join('')}[assistant]`;
  },
  render: (messages: readonly ChatMessage[]) =>
    messages.flatMap(({ role, content = '' }, n) => {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      if (role === 'nobody') throw new Error('Conversation roles must be known\nat line 1');
      return [
        { text: `[${role}]`, trained: false, field: 'template' },
        { text: text === '' ? '' : `${text}</s>`, trained: role === 'assistant', field: `messages[${n}].content` },
        { text: text === '' ? '</s>\n' : '\n', trained: false, field: 'template' },
      ];
    }),
};
