/**
 * Where the turns of the assistant stand in a rendered conversation. The interpreter of templates prints a mark before and behind every
 * round of a loop whose item is one of the messages: what lies between them is the turn of that message. Taking the marks out must give the
 * text of the plain rendering, byte for byte; where it does not (a template that measures or trims what a loop printed), nothing is told.
 */
import { markSource } from './marks.js';

/** A turn in UTF-16 units [start, end) of the rendering. */
export interface Turn {
  start: number;
  end: number;
  messageIndex: number;
}

/** What the interpreter prints around a round whose item is a message: `opens` index `ends`, text, `closes`. */
export interface TurnMarks {
  opens: string;
  ends: string;
  closes: string;
}

/** Marks that no text which the template sees has in it. */
export function turnMarks(used: string): TurnMarks {
  const next = markSource(used);
  return { opens: next(), ends: next(), closes: next() };
}

/**
 * The turns of messages in a rendering with marks, by the index of the message.
 * @param plain the rendering without marks
 * @returns undefined where the marks changed the text
 */
export function turnsIn(marked: string, plain: string, marks: TurnMarks): Map<number, Turn> | undefined {
  const found = rounds(marked, marks);
  if (!found || found.text !== plain) return undefined;
  const turns = new Map<number, Turn>();
  const unsure = new Set<number>();
  for (const turn of found.turns) {
    if (plain.slice(turn.start, turn.end).trim() === '') continue; // a loop that only counts
    if (turns.has(turn.messageIndex)) unsure.add(turn.messageIndex);
    turns.set(turn.messageIndex, turn);
  }
  for (const index of unsure) turns.delete(index);
  return turns;
}

/** Takes the marks out. A round inside another one of the same message is part of it. */
function rounds(marked: string, { opens, ends, closes }: TurnMarks): { text: string; turns: Turn[] } | undefined {
  const turns: Turn[] = [];
  const open: Turn[] = [];
  const parts: string[] = [];
  let [from, size] = [0, 0];
  for (const { 0: mark, 1: index, index: at } of marked.matchAll(new RegExp(`${opens}(\\d+)${ends}|${closes}`, 'g'))) {
    parts.push(marked.slice(from, at));
    size += at - from;
    from = at + mark.length;
    if (index !== undefined) open.push({ start: size, end: size, messageIndex: Number(index) });
    else {
      const turn = open.pop();
      if (!turn) return undefined;
      turn.end = size;
      if (!open.some(({ messageIndex }) => messageIndex === turn.messageIndex)) turns.push(turn);
    }
  }
  parts.push(marked.slice(from));
  const text = parts.join('');
  const whole = open.length === 0 && ![opens, ends, closes].some((mark) => text.includes(mark));
  return whole ? { text, turns } : undefined;
}
