/** Where the contents of the assistant's messages stand in a rendered conversation. */
import { DataError } from '../errors/index.js';
import type { Block, Find, Job, Slot } from './chat_slots.js';
import { complete } from './chat_widen.js';
import { markSource, withMarks, withoutMarks } from './marks.js';

/** A message as chat templates take it. */
export interface ChatMessage {
  role: string;
  /** Text, or parts of which those of type `text` have some; null beside tool calls. */
  content?: string | null | { type: string; text?: string; [key: string]: unknown }[];
  [key: string]: unknown;
}

/** A part of a rendered conversation, in UTF-16 units [start, end). */
export interface ChatSpan {
  start: number;
  end: number;
  /** The message that it came from, from 0. */
  messageIndex: number;
}

type Render = (messages: readonly ChatMessage[]) => string;

/** Most slots marked in one rendering: there are 6,400 characters to mark with. */
const GROUP = 400;

/**
 * @param plain the rendering without marks
 * @param used every text that the template sees, so that marks can be told from them
 * @throws DataError `untraceable_chat`
 */
export function contentSpans(plain: string, messages: readonly ChatMessage[], render: Render, used: string): ChatSpan[] {
  const slots = messages.flatMap(slotsOf);
  const find = (jobs: Job[]) => locate(plain, messages, render, used, jobs);
  const spans: ChatSpan[] = [];
  for (let i = 0; i < slots.length; i += GROUP) spans.push(...groupSpans(plain, slots.slice(i, i + GROUP), find));
  return spans.sort((a, b) => a.start - b.start);
}

function slotsOf({ role, content }: ChatMessage, message: number): Slot[] {
  if (role !== 'assistant' || !content) return [];
  if (typeof content === 'string') return [{ message, part: undefined, text: content }];
  return content.flatMap(({ text }, part) => (text ? [{ message, part, text }] : []));
}

/** Together first (most templates put contents in as they are), then one by one. */
function groupSpans(plain: string, slots: Slot[], find: Find): ChatSpan[] {
  const whole = find(slots.map((slot) => ({ slot, blocks: [{ from: 0, to: slot.text.length }] })));
  if (whole?.every(({ blocks }) => blocks[0]!.at)) return whole.flatMap(toSpans);
  const parts = find(slots.map((slot) => ({ slot, blocks: blocksOf(slot.text) })));
  if (parts) return parts.flatMap((job) => toSpans(complete(plain, job, find)));
  return slots.flatMap((slot) => slotSpans(plain, slot, find));
}

function slotSpans(plain: string, slot: Slot, find: Find): ChatSpan[] {
  for (const blocks of [[{ from: 0, to: slot.text.length }], blocksOf(slot.text)]) {
    const found = find([{ slot, blocks }])?.[0];
    if (found) return toSpans(complete(plain, found, find));
  }
  throw new DataError(
    'untraceable_chat',
    `the chat template changes message ${slot.message + 1} (${slot.text.slice(0, 40)}…) so that its place in the text cannot be told; use a template with {% generation %}`,
  );
}

const toSpans = ({ slot, blocks }: Job): ChatSpan[] =>
  blocks.flatMap(({ at }) => (at && at.end > at.start ? [{ ...at, messageIndex: slot.message }] : []));

const TAGS = /<\/?[\w|:-]+>/g;

/**
 * The stretches between tags (`<think>` and the like), without the white space around them: templates take contents apart at tags and
 * trim the pieces, and a mark inside the white space would keep it from being trimmed.
 */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let from = 0;
  for (const { index, 0: tag } of [...text.matchAll(TAGS), { index: text.length, 0: '' }]) {
    const stretch = text.slice(from, index);
    const core = stretch.trim();
    const start = from + stretch.indexOf(core);
    if (core !== '') blocks.push({ from: start, to: start + core.length });
    from = index + tag.length;
  }
  return blocks;
}

/** What `Find` does. */
function locate(plain: string, messages: readonly ChatMessage[], render: Render, used: string, jobs: Job[]): Job[] | undefined {
  const next = markSource(used);
  const marked = jobs.map(({ slot, blocks }) => ({ slot, blocks: blocks.map((block) => ({ block, opens: next(), closes: next() })) }));
  const marks = new Set(marked.flatMap(({ blocks }) => blocks.flatMap(({ opens, closes }) => [opens, closes])));
  const { text, found } = withoutMarks(render(markedMessages(messages, marked)), marks);
  if (text !== plain) return undefined;
  const places = new Map<string, number[]>();
  for (const { mark, at } of found) places.set(mark, [...(places.get(mark) ?? []), at]);
  const result = marked.map(({ slot, blocks }) => ({
    slot,
    blocks: blocks.map(({ block, opens, closes }) => placed(block, places.get(opens), places.get(closes))),
  }));
  return result.every(({ blocks }) => blocks.every((block) => block !== undefined)) ? (result as Job[]) : undefined;
}

/** A block with its place: undefined where only one of its marks came out, or one came out twice. */
function placed({ from, to }: Block, opens: number[] | undefined, closes: number[] | undefined): Block | undefined {
  if (!opens && !closes) return { from, to };
  if (opens?.length !== 1 || closes?.length !== 1 || opens[0]! > closes[0]!) return undefined;
  return { from, to, at: { start: opens[0]!, end: closes[0]! } };
}

interface MarkedJob {
  slot: Slot;
  blocks: { block: Block; opens: string; closes: string }[];
}

function markedMessages(messages: readonly ChatMessage[], jobs: readonly MarkedJob[]): ChatMessage[] {
  const copy = messages.map((message) => ({ ...message }));
  for (const { slot, blocks } of jobs) {
    const places = blocks.flatMap(({ block, opens, closes }) => [
      { at: block.from, mark: opens },
      { at: block.to, mark: closes },
    ]);
    const text = withMarks(slot.text, places);
    const message = copy[slot.message]!;
    if (slot.part === undefined) message.content = text;
    else message.content = (message.content as { type: string }[]).map((part, i) => (i === slot.part ? { ...part, text } : part));
  }
  return copy;
}
