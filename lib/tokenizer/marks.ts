/** Characters that mark places in a text while a template works on it: of the private use area, and nowhere else in what is rendered. */
import { DataError } from '../errors/index.js';

const FIRST = 0xe000;
const LAST = 0xf8ff;

/** Takes unused characters, one after another. `used` holds every text that the template can see. */
export function markSource(used: string): () => string {
  const taken = new Set(used.match(/[\ue000-\uf8ff]/g));
  // JSON writes none of these characters escaped, but a text that is JSON itself may.
  for (const [, code] of used.matchAll(/\\u([ef][0-9a-f]{3})/gi)) taken.add(String.fromCharCode(Number.parseInt(code!, 16)));
  let next = FIRST;
  return () => {
    while (taken.has(String.fromCharCode(next))) next++;
    if (next > LAST) throw new DataError('untraceable_chat', 'the conversation uses up the private characters that mark answers');
    return String.fromCharCode(next++);
  };
}

/** A mark that was found, with its place in the text without marks. */
export interface FoundMark {
  mark: string;
  at: number;
}

/** Takes marks out of a text. */
export function withoutMarks(marked: string, marks: ReadonlySet<string>): { text: string; found: FoundMark[] } {
  const found: FoundMark[] = [];
  const parts: string[] = [];
  let [from, size] = [0, 0];
  for (const { 0: mark, index } of marked.matchAll(/[\ue000-\uf8ff]/g)) {
    if (!marks.has(mark)) continue;
    parts.push(marked.slice(from, index));
    size += index - from;
    from = index + 1;
    found.push({ mark, at: size });
  }
  parts.push(marked.slice(from));
  return { text: parts.join(''), found };
}

/** A text with marks at places, which rise. */
export function withMarks(text: string, places: readonly { at: number; mark: string }[]): string {
  let [marked, from] = ['', 0];
  for (const { at, mark } of places) {
    marked += text.slice(from, at) + mark;
    from = at;
  }
  return marked + text.slice(from);
}
