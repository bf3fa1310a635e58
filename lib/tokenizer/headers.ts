/**
 * The header of an assistant's turn: what a generation prompt puts there, so that the model never has to write it. The conversation before
 * the turn is rendered with a generation prompt; what this has in common with the whole rendering behind the turn's beginning is header.
 */
import type { ChatMessage } from './chat_spans.js';
import type { Turn } from './turns.js';

export interface HeaderProbe {
  /** The whole rendering. */
  text: string;
  messages: readonly ChatMessage[];
  /** The template's source. */
  template: string;
  /** A rendering with further variables; undefined where the template refuses, or fails on, such a conversation. */
  render: (messages: readonly ChatMessage[], prompt: boolean, variables?: Record<string, unknown>) => string | undefined;
  /** A character that is nowhere in the texts. */
  probe: string;
}

/** Switches of templates that put an empty block of thought into the generation prompt when they are off. */
const SWITCHES = ['enable_thinking', 'thinking'];

/** Turns whose headers are found by a rendering each; those between the first and the last of a longer chat repeat what was found. */
const ASKED = 16;

/** Whether what was found for an earlier turn is tried first for turn `n` of `count`. */
export const repeats = (n: number, count: number) => n >= ASKED && n < count - ASKED;

/** For each turn the end of its header, in units of the text; undefined where the template has no generation prompt to tell by. */
export function headerEnds(probe: HeaderProbe, turns: readonly Turn[]): (number | undefined)[] {
  const known = new Map<string, string>();
  return turns.map((turn, n) => {
    const before = probe.messages[turn.messageIndex - 1]?.role ?? '';
    const repeated = known.get(before);
    if (repeats(n, turns.length) && repeated !== undefined && probe.text.startsWith(repeated, turn.start))
      return turn.start + repeated.length;
    const end = headerEnd(probe, turn);
    if (end !== undefined) known.set(before, probe.text.slice(turn.start, end));
    return end;
  });
}

function headerEnd(probe: HeaderProbe, turn: Turn): number | undefined {
  if (!probe.template.includes('add_generation_prompt')) return constantEnd(probe, turn);
  const plain = shared(probe, turn, {});
  if (!plain) return undefined;
  let end = plain.whole ? plain.end : partEnd(probe, turn, plain);
  for (const name of SWITCHES) {
    if (!probe.template.includes(name)) continue;
    const without = shared(probe, turn, { [name]: false });
    if (without?.whole) end = Math.max(end, without.end);
  }
  return end;
}

/**
 * Of a template without a generation prompt the header is what stands before whatever the message says. White space alone is none: what
 * comes before (`[/INST]`) then begins the answer.
 */
function constantEnd(probe: HeaderProbe, turn: Turn): number {
  const end = Math.min(unchangedTo(probe, turn, turn.end), turn.end);
  return probe.text.slice(turn.start, end).trim() === '' ? turn.start : end;
}

/**
 * The end of a header of which only a part is the generation prompt, or before which something else stands (a BOS, where the assistant
 * speaks first). What the message says itself may be like the prompt's next characters by chance: it is asked with other words.
 */
function partEnd(probe: HeaderProbe, turn: Turn, { end, prompt }: Shared): number {
  const fixed = Math.min(unchangedTo(probe, turn, turn.end), turn.end);
  const at = prompt === '' ? -1 : probe.text.indexOf(prompt, turn.start);
  return at >= 0 && at + prompt.length <= fixed ? at + prompt.length : Math.min(end, fixed);
}

interface Shared {
  /** The generation prompt alone. */
  prompt: string;
  end: number;
  /** Whether all of the generation prompt stands there. */
  whole: boolean;
}

/** How far the turn begins as the generation prompt before it does, or as the one behind any user where there is none. */
function shared(probe: HeaderProbe, turn: Turn, variables: Record<string, unknown>): Shared | undefined {
  const own = sharedBehind(probe.messages.slice(0, turn.messageIndex), probe, turn, variables);
  if (own && own.prompt !== '') return own;
  const any = sharedBehind([{ role: 'user', content: 'x' }], probe, turn, variables);
  return any?.whole ? any : (own ?? any);
}

function sharedBehind(
  before: readonly ChatMessage[],
  { text, render }: HeaderProbe,
  turn: Turn,
  variables: Record<string, unknown>,
): Shared | undefined {
  const prompted = render(before, true, variables);
  if (prompted === undefined) return undefined;
  const prompt = prompted.slice(commonEnd(prompted, 0, render(before, false, variables) ?? '', 0));
  if (turn.start > 0 && prompted.startsWith(text.slice(0, turn.start))) {
    const end = Math.min(commonEnd(prompted, 0, text, 0), turn.end);
    return { prompt, end, whole: end === prompted.length };
  }
  // What comes before is rendered otherwise (thoughts of earlier turns are left out later): the prompt alone is compared.
  const end = Math.min(turn.start + commonEnd(prompt, 0, text, turn.start), turn.end);
  return { prompt, end, whole: end - turn.start === prompt.length };
}

/** Number of equal units of two texts, counted from a place in each. */
function commonEnd(a: string, fromA: number, b: string, fromB: number): number {
  let n = 0;
  while (fromA + n < a.length && fromB + n < b.length && a.charCodeAt(fromA + n) === b.charCodeAt(fromB + n)) n++;
  return n;
}

/**
 * How far the turn stays the same when the message says something else: where only a part of the generation prompt stands there
 * (`<think>` is missing), the message's own first characters may be like the prompt's next ones by chance.
 */
function unchangedTo({ text, messages, render, probe }: HeaderProbe, { start, messageIndex }: Turn, most: number): number {
  if (most === start) return most;
  const rendered = render(saying(messages, messageIndex, probe), false);
  const end = rendered === undefined ? most : commonEnd(rendered, 0, text, 0);
  return end < start ? most : end;
}

/** The messages, one of which says something else in the same form. */
export function saying(messages: readonly ChatMessage[], index: number, text: string): ChatMessage[] {
  return messages.map((message, i) => {
    if (i !== index) return message;
    return { ...message, content: Array.isArray(message.content) ? [{ type: 'text', text }] : text };
  });
}
