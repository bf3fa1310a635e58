/**
 * Conversations as text, by the model's own chat template, with the places of what the assistant says.
 *
 * A template with `{% generation %}` says itself which part that is. For every other one it is all that stands in a turn behind its header
 * (content, thoughts, calls of tools, the text between them), up to the end token. Where the turns cannot be told apart (a template that
 * does not go through the messages in a loop), the contents of the messages are looked for, by marks around them.
 */
import { jsonText } from '../json/index.js';
import { type ChatMessage, type ChatSpan, contentSpans } from './chat_spans.js';
import { generationSpans, marksGeneration, withoutTags } from './generation.js';
import { type HeaderProbe, headerEnds } from './headers.js';
import type { Segment } from './spans.js';
import { renderTemplate } from './template/render.js';
import type { Tokenizer } from './tokenizer.js';
import { type EndTokens, turnEnds } from './turn_ends.js';
import { type TurnMarks, turnMarks, turnsIn } from './turns.js';
import { refuseUnseen } from './unseen.js';

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
  /** Texts of the tokens at which generation stops, beside the `eos_token`. */
  endTokens?: readonly string[];
  /** Texts of all added special tokens: the one that closes every turn of the assistant is an end token, too. */
  addedTokens?: readonly string[];
}

export interface RenderedChat {
  text: string;
  /** What the assistant says, its end token included, in UTF-16 units of `text`, in order. */
  spans: ChatSpan[];
  /** Who says so: the template's `{% generation %}`, its turns, or the contents of the messages. */
  from: 'generation' | 'turns' | 'content';
}

/**
 * Renders a conversation.
 * @throws DataError `refused_chat` (the template raises an exception: roles that do not alternate, say), `bad_template` (it cannot be
 * parsed, or fails), `untraceable_chat` (it changes an answer so that its place cannot be told)
 */
export function renderChat(template: string, messages: readonly ChatMessage[], options: ChatOptions = {}): RenderedChat {
  const { tools, specialTokens, variables } = options;
  const render = renderer(options);
  const used = template + jsonText([messages, tools, specialTokens, variables]);
  if (marksGeneration(template)) {
    const marked = generationSpans(template, (source) => render(source, messages), messages, used);
    if (marked.spans.length > 0) return { ...marked, from: 'generation' };
  }
  const source = withoutTags(template);
  const text = render(source, messages);
  const said = answerSpans(text, source, messages, options, used);
  if (said) return { text, spans: said, from: 'turns' };
  const spans = contentSpans(text, messages, (conversation) => render(source, conversation), used);
  refuseUnseen(text, messages, (conversation) => render(source, conversation));
  return { text, spans: spans.map((span) => ({ ...span, end: beforeEnd(text, span.end, tokensOf(options).ends) })), from: 'content' };
}

type Render = (source: string, messages: readonly ChatMessage[], marks?: TurnMarks) => string;

/** Renders with the variables that transformers gives a template. */
function renderer({ tools = null, addGenerationPrompt = false, specialTokens, variables, now }: ChatOptions): Render {
  const fixed = { tools, documents: null, add_generation_prompt: addGenerationPrompt, ...specialTokens, ...variables };
  return (source, messages, marks) => renderTemplate(source, { messages, ...fixed }, now, marks);
}

const tokensOf = ({ specialTokens, endTokens = [], addedTokens = [] }: ChatOptions): EndTokens => ({
  ends: [specialTokens?.eos_token ?? '', ...endTokens].filter((token) => token !== ''),
  special: addedTokens,
});

/** What the assistant says, by its turns; undefined where they cannot be told apart. */
function answerSpans(
  text: string,
  source: string,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  used: string,
): ChatSpan[] | undefined {
  const marks = turnMarks(used);
  const found = turnsIn(renderer(options)(source, messages, marks), text, marks);
  const turns = messages.flatMap(({ role }, index) => (role === 'assistant' && found?.has(index) ? [found.get(index)!] : []));
  if (!found || messages.some((message, index) => says(message) && !found.has(index))) return undefined;
  const probe = { text, messages, template: source, render: tried(source, options), probe: marks.opens };
  const headers = headerEnds(probe, turns);
  if (headers.includes(undefined)) return undefined;
  const headed = turns.map((turn, n) => ({ ...turn, from: headers[n]! }));
  const tokens = tokensOf(options);
  const ends = turnEnds(text, messages, headed, tokens, probe);
  const closers = new Set([...tokens.ends, ...tokens.special, '']);
  return headed
    .map(({ from, messageIndex }, n) => ({ start: from, end: ends[n]!, messageIndex }))
    .filter(({ start, end }) => !closers.has(text.slice(start, end)));
}

/** Whether a message of the assistant has any text. */
function says({ role, content }: ChatMessage): boolean {
  if (role !== 'assistant' || !content) return false;
  return typeof content === 'string' ? content.trim() !== '' : content.some(({ text }) => typeof text === 'string' && text.trim() !== '');
}

/** Renders other conversations than the one given: a template may refuse them. */
function tried(source: string, options: ChatOptions): HeaderProbe['render'] {
  return (messages, addGenerationPrompt, variables) => {
    const given = Object.hasOwn(options.variables ?? {}, Object.keys(variables ?? {})[0] ?? '');
    if (given) return undefined; // whoever starts the run has set it
    try {
      return renderer({ ...options, addGenerationPrompt, variables: { ...options.variables, ...variables } })(source, messages);
    } catch {
      return undefined;
    }
  };
}

/** A stretch of a rendered conversation. */
export interface ChatSegment extends Segment {
  /** What it came from: `messages[2].content`, or `template` for everything else. */
  field: string;
}

/**
 * A rendered conversation as segments, for `tokenizer.encodeSpans(segments, { special: true })`.
 * @param isTrained which messages are trained; default: all that have a span
 */
export function chatSegments({ text, spans }: RenderedChat, isTrained: (messageIndex: number) => boolean = () => true): ChatSegment[] {
  const segments: ChatSegment[] = [];
  let at = 0;
  for (const { start, end, messageIndex } of spans) {
    segments.push({ text: text.slice(at, start), trained: false, field: 'template' });
    segments.push({ text: text.slice(start, end), trained: isTrained(messageIndex), field: `messages[${messageIndex}].content` });
    at = end;
  }
  segments.push({ text: text.slice(at), trained: false, field: 'template' });
  return segments.filter((segment) => segment.text !== '');
}

/**
 * Behind the end token that follows a content, white space between them included (Llama 2's template puts some there): else the end token
 * would not follow what is trained, and no answer would be seen to end. `from` where none follows.
 */
function beforeEnd(text: string, from: number, ends: readonly string[]): number {
  let at = from;
  while (/\s/.test(text.charAt(at))) at++;
  const token = ends.find((one) => text.startsWith(one, at));
  return token === undefined ? from : at + token.length;
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
  tokenizer: Pick<Tokenizer, 'chatTemplate' | 'specialTokens'> & Partial<Pick<Tokenizer, 'endTokens' | 'addedTokens'>>,
  variables?: Readonly<Record<string, unknown>>,
  now: Date = new Date(),
): Chat | undefined {
  if (tokenizer.chatTemplate() === null) return undefined;
  const { specialTokens, endTokens = [], addedTokens = [] } = tokenizer;
  const setUp = (tools: unknown) => {
    const given = Array.isArray(tools) && tools.length > 0 ? tools : null;
    return {
      template: tokenizer.chatTemplate(given !== null)!,
      options: { tools: given, specialTokens, variables, now, endTokens, addedTokens },
    };
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
