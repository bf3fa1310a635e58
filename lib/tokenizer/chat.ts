/**
 * Conversations as text, by the model's own chat template, with the places of what the assistant says.
 *
 * A template with `{% generation %}` says itself which part that is. For every other one the places are found by construction: the
 * conversation is rendered once more with marks around what the assistant says, and taking the marks out must give the same text, byte
 * for byte.
 */
import { jsonText } from '../json/index.js';
import { type ChatMessage, type ChatSpan, contentSpans } from './chat_spans.js';
import { generationSpans, marksGeneration, withoutTags } from './generation.js';
import type { Segment } from './spans.js';
import { renderTemplate } from './template/render.js';
import type { Tokenizer } from './tokenizer.js';

export type { ChatMessage, ChatSpan } from './chat_spans.js';

export interface ChatOptions {
  /** Functions that the model may call, as JSON Schema objects. */
  tools?: readonly unknown[] | null;
  /** Ends with the beginning of an answer, for generation. */
  addGenerationPrompt?: boolean;
  /** Texts of special tokens, as `tokenizer.specialTokens` has them: `bos_token`, `eos_token`, … */
  specialTokens?: Readonly<Record<string, string>>;
  /** Further variables of the template (`enable_thinking`, `date_string`, …). */
  variables?: Readonly<Record<string, unknown>>;
  /** The time that the template is told. Default: now. */
  now?: Date;
}

export interface RenderedChat {
  text: string;
  /** What the assistant says, in UTF-16 units of `text`, in order. */
  spans: ChatSpan[];
  /** Text of the end token, where it was given. */
  eosToken: string | undefined;
  /** Who says so: the template's `{% generation %}`, or the contents of the messages. */
  from: 'generation' | 'content';
}

/**
 * Renders a conversation.
 * @throws DataError `refused_chat` (the template raises an exception: roles that do not alternate, say), `bad_template` (it cannot be
 * parsed, or fails), `untraceable_chat` (it changes an answer so that its place cannot be told)
 */
export function renderChat(template: string, messages: readonly ChatMessage[], options: ChatOptions = {}): RenderedChat {
  const { tools, specialTokens, variables } = options;
  const render = renderer(options);
  const eosToken = specialTokens?.eos_token;
  const used = template + jsonText([messages, tools, specialTokens, variables]);
  if (marksGeneration(template)) {
    const marked = generationSpans(template, (source) => render(source, messages), messages, used);
    if (marked.spans.length > 0) return { ...marked, eosToken, from: 'generation' };
  }
  const source = withoutTags(template);
  const text = render(source, messages);
  const spans = contentSpans(text, messages, (conversation) => render(source, conversation), used);
  return { text, spans, eosToken, from: 'content' };
}

type Render = (source: string, messages: readonly ChatMessage[]) => string;

/** Renders with the variables that transformers gives a template. */
function renderer({ tools = null, addGenerationPrompt = false, specialTokens, variables, now }: ChatOptions): Render {
  const fixed = { tools, documents: null, add_generation_prompt: addGenerationPrompt, ...specialTokens, ...variables };
  return (source, messages) => renderTemplate(source, { messages, ...fixed }, now);
}

/** A stretch of a rendered conversation. */
export interface ChatSegment extends Segment {
  /** What it came from: `messages[2].content`, or `template` for everything else. */
  field: string;
}

/**
 * A rendered conversation as segments. White space that a template puts between an answer and the end token (Llama 2 does) is part of the
 * answer: else the end token would not follow it, and no answer would be seen to end. For `tokenizer.encodeSpans(segments, { stop: tokenizer.eos, special: true })`.
 * @param isTrained which messages are trained; default: all that have a span
 */
export function chatSegments(
  { text, spans, eosToken }: RenderedChat,
  isTrained: (messageIndex: number) => boolean = () => true,
): ChatSegment[] {
  const segments: ChatSegment[] = [];
  let at = 0;
  for (const { start, end: last, messageIndex } of spans) {
    const end = beforeEnd(text, last, eosToken);
    segments.push({ text: text.slice(at, start), trained: false, field: 'template' });
    segments.push({ text: text.slice(start, end), trained: isTrained(messageIndex), field: `messages[${messageIndex}].content` });
    at = end;
  }
  segments.push({ text: text.slice(at), trained: false, field: 'template' });
  return segments.filter((segment) => segment.text !== '');
}

/** The place of the end token, if only white space lies between; else `from`. */
function beforeEnd(text: string, from: number, eosToken: string | undefined): number {
  let at = from;
  while (/\s/.test(text.charAt(at))) at++;
  return eosToken && text.startsWith(eosToken, at) ? at : from;
}

/** A model's chat template, ready to be used. */
export interface Chat {
  /** A conversation as text, the contents of the assistant's messages trained: of those for which `isTrained` holds, by their place. */
  render(messages: readonly ChatMessage[], options?: { tools?: unknown; isTrained?: (message: number) => boolean }): ChatSegment[];
  /** A conversation up to where the next answer begins. */
  prompt(messages: readonly ChatMessage[], options?: { tools?: unknown }): string;
}

/**
 * The chat template of a tokenizer's folder, or undefined where it has none.
 * @param variables further variables of the template
 * @param now the time that every conversation is told
 */
export function openChat(
  tokenizer: Pick<Tokenizer, 'chatTemplate' | 'specialTokens'>,
  variables?: Readonly<Record<string, unknown>>,
  now: Date = new Date(),
): Chat | undefined {
  if (tokenizer.chatTemplate() === null) return undefined;
  const { specialTokens } = tokenizer;
  const setUp = (tools: unknown) => {
    const given = Array.isArray(tools) && tools.length > 0 ? tools : null;
    return { template: tokenizer.chatTemplate(given !== null)!, options: { tools: given, specialTokens, variables, now } };
  };
  return {
    render(messages, { tools, isTrained } = {}) {
      const { template, options } = setUp(tools);
      return chatSegments(renderChat(template, messages, options), isTrained);
    },
    prompt(messages, { tools } = {}) {
      const { template, options } = setUp(tools);
      return renderPrompt(template, messages, options);
    },
  };
}

/** A conversation up to where the next answer begins, without looking for spans. */
export function renderPrompt(template: string, messages: readonly ChatMessage[], options: ChatOptions = {}): string {
  return renderer({ ...options, addGenerationPrompt: true })(withoutTags(template), messages);
}
