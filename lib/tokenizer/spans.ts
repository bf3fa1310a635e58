/** Segments of a text, trained or not, and their trained flags by the places that a library gives its ids. */
import { isLowSurrogate } from './normalise.js';

/** A part of a text. Parts are tokenised joined, as one text. */
export interface Segment {
  text: string;
  trained: boolean;
}

/** A part of a text in UTF-16 units [start, end). */
export interface Range {
  start: number;
  end: number;
}

/** Text of segments and the trained parts of it, neighbours joined. A border inside a surrogate pair moves outward. */
export function joinSegments(segments: readonly Segment[]): { text: string; ranges: Range[] } {
  const text = segments.map((segment) => segment.text).join('');
  const ranges: Range[] = [];
  let at = 0;
  for (const segment of segments) {
    const start = at;
    const end = start + segment.text.length;
    at = end;
    if (!segment.trained || start === end) continue;
    const last = ranges.at(-1);
    if (last && last.end >= start) last.end = end;
    else ranges.push({ start, end });
  }
  for (const range of ranges) {
    if (isLowSurrogate(text, range.start)) range.start--;
    if (isLowSurrogate(text, range.end)) range.end++;
  }
  return { text, ranges };
}

/**
 * Trained flags from the places that a library gives its ids, for texts whose bytes cannot be followed. Places count code points; what
 * lies between two of them belongs to the later one, so that no character is lost.
 */
export function trainedByOffsets(offsets: readonly [number, number][], text: string, ranges: readonly Range[]): Uint8Array {
  const trained = new Uint8Array(offsets.length);
  const points = codePointRanges(text, ranges);
  let [next, reached] = [0, 0];
  offsets.forEach(([start, end], i) => {
    const from = Math.min(start, reached);
    while (next < points.length && points[next]!.end <= from) next++;
    trained[i] = Number(end > from && next < points.length && points[next]!.start < end);
    reached = Math.max(reached, end);
  });
  return trained;
}

function codePointRanges(text: string, ranges: readonly Range[]): Range[] {
  let [at, points] = [0, 0];
  const count = (to: number) => {
    for (; at < to; at++) if (!isLowSurrogate(text, at)) points++;
    return points;
  };
  return ranges.map(({ start, end }) => ({ start: count(start), end: count(end) }));
}
