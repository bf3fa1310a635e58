/**
 * Which tokens of a text are trained. Every id stands for known bytes, so the borders between prompt and answer are counted in bytes, and
 * every byte is compared with the text on the way: a token is trained where any of its bytes came from a trained segment.
 */
import { hasLead, type Normaliser, safeCut } from './normalise.js';
import { bytesOf, type PieceTable } from './pieces.js';
import type { Range } from './spans.js';

export interface AlignRules {
  pieces: PieceTable;
  normaliser: Normaliser;
  /** Ids (the EOS) that are trained where they directly follow a trained part. */
  stops: readonly number[];
}

/**
 * Trained flags, one 0 or 1 an id, of the ids of a text.
 * @returns undefined where the bytes of the ids are not those of the text, so that nothing is known for sure
 */
export function alignTrained(ids: ArrayLike<number>, text: string, ranges: readonly Range[], rules: AlignRules): Uint8Array | undefined {
  const trained = new Uint8Array(ids.length);
  const walk = { ids, text, ranges, nextRange: 0, rules, trained, index: 0, at: 0, afterTrained: false };
  while (walk.index < ids.length) {
    const aligned = rules.pieces.added.has(ids[walk.index]!) ? alignAdded(walk) : alignStretch(walk);
    if (!aligned) return undefined;
  }
  return walk.at === text.length ? trained : undefined;
}

interface Walk {
  ids: ArrayLike<number>;
  text: string;
  ranges: readonly Range[];
  /** The first range that reaches beyond the places already walked. */
  nextRange: number;
  rules: AlignRules;
  trained: Uint8Array;
  /** Next id, and the place in the text that all ids before it reach to. */
  index: number;
  at: number;
  /** Whether the last byte before that place is trained. */
  afterTrained: boolean;
}

/** One added token: its content, and the white space that it takes along. */
function alignAdded(walk: Walk): boolean {
  const id = walk.ids[walk.index]!;
  const { content, lstrip, rstrip } = walk.rules.pieces.added.get(id)!;
  const start = lstrip ? skipSpace(walk.text, walk.at) : walk.at;
  if (!walk.text.startsWith(content, start)) return false;
  const behind = start + content.length;
  const end = rstrip ? skipSpace(walk.text, behind) : behind;
  const inside = rangesIn(walk, walk.at, end).length > 0;
  walk.trained[walk.index++] = Number(inside || (walk.afterTrained && walk.rules.stops.includes(id)));
  walk.afterTrained = rangesIn(walk, end - 1, end).length > 0;
  walk.at = end;
  return true;
}

const SPACE = /\p{White_Space}/u;

function skipSpace(text: string, at: number): number {
  let end = at;
  while (end < text.length && SPACE.test(text[end]!)) end++;
  return end;
}

/** The ordinary ids up to the next added token, against the text up to there. */
function alignStretch(walk: Walk): boolean {
  const { ids, text, rules } = walk;
  const { added } = rules.pieces;
  let until = walk.index;
  while (until < ids.length && !added.has(ids[until]!)) until++;
  const end = until === ids.length ? text.length : startOf(text, walk.at, added.get(ids[until]!)!);
  if (end < walk.at) return false;
  const stretch = text.slice(walk.at, end);
  const marked = markBytes(stretch, rangesIn(walk, walk.at, end), rules.normaliser);
  const lead = hasLead(rules.normaliser.lead, stretch, walk.at === 0) ? 1 : 0;
  if (!marked || !flagTokens(walk, until, marked, lead)) return false;
  walk.index = until;
  walk.at = end;
  return true;
}

/** Where an added token begins, the white space before it that it takes along included; -1 where it is not found. */
function startOf(text: string, from: number, { content, lstrip }: { content: string; lstrip: boolean }): number {
  let start = text.indexOf(content, from);
  while (lstrip && start > from && SPACE.test(text[start - 1]!)) start--;
  return start;
}

/** Trained parts inside [from, to), counted from `from`. Asked with rising `from` only, so that ranges left behind are never seen again. */
function rangesIn(walk: Walk, from: number, to: number): Range[] {
  const { ranges } = walk;
  while (walk.nextRange < ranges.length && ranges[walk.nextRange]!.end <= from) walk.nextRange++;
  const inside: Range[] = [];
  for (let i = walk.nextRange; i < ranges.length && ranges[i]!.start < to; i++)
    inside.push({ start: Math.max(ranges[i]!.start, from) - from, end: Math.min(ranges[i]!.end, to) - from });
  return inside;
}

interface Marked {
  /** The stretch as its pieces spell it, in UTF-8, and for each byte whether it came from a trained part. */
  bytes: Uint8Array;
  marks: Uint8Array;
}

/** Bytes of a stretch, and which of them are trained. Undefined where its rewriting cannot be followed. */
function markBytes(stretch: string, ranges: readonly Range[], { rewrite, identity }: Normaliser): Marked | undefined {
  if (!rewrite) return undefined;
  const whole = identity ? stretch : rewrite(stretch);
  if (whole === stretch) return laidOut(whole, stretch, ranges, (part) => part);
  const wider = ranges.map(({ start, end }) => ({ start: safeCut(stretch, start, -1, rewrite), end: safeCut(stretch, end, 1, rewrite) }));
  return laidOut(whole, stretch, wider, rewrite);
}

/**
 * Where rewriting changes a stretch, it is cut at each border and the parts are rewritten alone; together they must be the whole. A
 * character that grows together across a border (a letter and the accent that follows it) belongs to both sides and counts as trained:
 * the ranges are wider by it.
 */
function laidOut(whole: string, stretch: string, ranges: readonly Range[], rewrite: (text: string) => string): Marked | undefined {
  const bytes = Buffer.from(whole);
  const marks = new Uint8Array(bytes.length);
  const parts: string[] = [];
  let [at, place] = [0, 0];
  const pass = (to: number, mark: 0 | 1) => {
    if (to <= at) return;
    const part = rewrite(stretch.slice(at, to));
    const size = Buffer.byteLength(part);
    if (mark) marks.fill(1, place, place + size);
    parts.push(part);
    [at, place] = [to, place + size];
  };
  for (const { start, end } of ranges) {
    pass(start, 0);
    pass(end, 1);
  }
  pass(stretch.length, 0);
  return parts.join('') === whole ? { bytes, marks } : undefined;
}

/** Compares the bytes of the ids with those of the stretch, and flags the ids that reach into a marked part. */
function flagTokens(walk: Walk, until: number, { bytes, marks }: Marked, lead: 0 | 1): boolean {
  const { ids, trained, rules } = walk;
  let at = -lead;
  for (let i = walk.index; i < until; i++) {
    const piece = bytesOf(rules.pieces, ids[i]!);
    const follows = at > 0 ? marks[at - 1] === 1 : walk.afterTrained;
    let mark = follows && rules.stops.includes(ids[i]!) ? 1 : 0;
    for (let j = 0; j < piece.length; j++, at++) {
      if (piece[j] !== (at < 0 ? 0x20 : bytes[at])) return false;
      // A space that the tokenizer puts before a stretch belongs to the first byte: the model writes both, or neither.
      mark |= marks[Math.max(at, 0)] ?? 0;
    }
    trained[i] = mark;
  }
  if (bytes.length > 0) walk.afterTrained = marks[bytes.length - 1] === 1;
  return at === bytes.length;
}
