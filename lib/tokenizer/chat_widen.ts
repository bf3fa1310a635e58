/** From the stretches of a content that were found in a rendering to everything of it that stands there. */
import type { Block, Find, Job, Slot } from './chat_slots.js';

/** Blocks that stand in the rendering as in the content, with what lies between and around them there, become one. */
export function complete(plain: string, { slot, blocks }: Job, find: Find): Job {
  const { text } = slot;
  const joined: Block[] = [];
  for (const block of blocks.filter(({ at }) => at)) {
    const last = joined.at(-1);
    const gap = last && text.slice(last.to, block.from);
    if (last && plain.slice(last.at!.end, block.at!.start) === gap)
      joined[joined.length - 1] = { from: last.from, to: block.to, at: { start: last.at!.start, end: block.at!.end } };
    else joined.push(block);
  }
  const [first, last] = [joined[0], joined.at(-1)];
  if (first) widen(plain, slot, first, -1, find);
  if (last) widen(plain, slot, last, 1, find);
  return { slot, blocks: joined };
}

/**
 * Takes the rest of the content before (or behind) a block in where the rendering has it. White space proves nothing (the template may
 * have put the same there after trimming), so it is asked with a mark in it.
 */
function widen(plain: string, slot: Slot, block: Block, side: 1 | -1, find: Find): void {
  const before = side < 0;
  const rest = before ? slot.text.slice(0, block.from) : slot.text.slice(block.to);
  const at = block.at!;
  const matches = (length: number) =>
    before
      ? plain.slice(at.start - length, at.start) === rest.slice(-length)
      : plain.slice(at.end, at.end + length) === rest.slice(0, length);
  const kept = (length: number) => length === 0 || (matches(length) && survives(slot, block, before ? -length : length, find));
  let length = rest.trim() !== '' && matches(rest.length) ? rest.length : 0;
  if (length === 0) length = largest(rest.length, kept);
  if (before) [block.from, at.start] = [block.from - length, at.start - length];
  else [block.to, at.end] = [block.to + length, at.end + length];
}

/** Whether the text between a block's edge and a place beyond it comes out whole. */
function survives(slot: Slot, block: Block, beyond: number, find: Find): boolean {
  const [from, to] = beyond < 0 ? [block.from + beyond, block.from] : [block.to, block.to + beyond];
  const found = find([{ slot, blocks: [{ from, to }] }])?.[0]?.blocks[0]?.at;
  return found !== undefined && found.end - found.start === Math.abs(beyond);
}

/** The largest length up to `most` that is kept, where every shorter one is kept as well. */
function largest(most: number, kept: (length: number) => boolean): number {
  if (kept(most)) return most;
  let [low, high] = [0, most];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (kept(middle)) low = middle;
    else high = middle;
  }
  return low;
}
