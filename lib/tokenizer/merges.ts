/**
 * The merges of byte pair encoding, commonest first. Counts are kept, not counted anew: a merge touches only the words that hold its
 * pair, so that the time goes with the text's different words, not with its length times the number of merges.
 */

/** A word as ids, and how often it stands in the text. */
export interface Word {
  ids: number[];
  count: number;
}

export interface MergeOptions {
  /** Id of the first merged piece. */
  next: number;
  /** Most merges. */
  count: number;
  minimumCount: number;
  signal?: AbortSignal | undefined;
}

/** Ids stay below this (67 million), so that two of them fit one exact number. */
const SHIFT = 2 ** 26;
const keyOf = (left: number, right: number) => left * SHIFT + right;
const leftOf = (key: number) => Math.floor(key / SHIFT);
const rightOf = (key: number) => key % SHIFT;

/** Merges between two looks at timers and signals. */
const TURN = 50;

/** Pairs of ids in the order in which they are merged; merge i makes id `next` + i. Changes the words. */
export async function learnMerges(words: Word[], { next, count, minimumCount, signal }: MergeOptions): Promise<[number, number][]> {
  const pairs = new PairCounts(words);
  const merges: [number, number][] = [];
  while (merges.length < count) {
    const key = pairs.commonest(minimumCount);
    if (key === undefined) break;
    pairs.merge(key, next + merges.length);
    merges.push([leftOf(key), rightOf(key)]);
    if (merges.length % TURN !== 0) continue;
    signal?.throwIfAborted();
    await new Promise(setImmediate);
  }
  return merges;
}

/** How often each pair of neighbours stands in the words, and in which. */
class PairCounts {
  readonly #words: Word[];
  readonly #counts = new Map<number, number>();
  /** Words that hold a pair, or did. */
  readonly #places = new Map<number, number[]>();
  readonly #queue = new PairQueue();

  constructor(words: Word[]) {
    this.#words = words;
    words.forEach((word, index) => {
      for (let i = 1; i < word.ids.length; i++) this.#add(keyOf(word.ids[i - 1]!, word.ids[i]!), word.count, index);
    });
    for (const [key, count] of this.#counts) this.#queue.push(key, count);
  }

  /** The pair with the highest count (of equal ones the smallest), if that is `least` or more. Counts in the queue may be out of date. */
  commonest(least: number): number | undefined {
    for (let top = this.#queue.pop(); top; top = this.#queue.pop()) {
      const count = this.#counts.get(top.key) ?? 0;
      if (count === top.count) return count >= least ? top.key : undefined;
      if (count > 0) this.#queue.push(top.key, count);
    }
    return undefined;
  }

  /** Puts a new id in place of a pair, in every word. */
  merge(key: number, id: number): void {
    const changed = new Set<number>();
    for (const index of new Set(this.#places.get(key))) this.#mergeIn(this.#words[index]!, index, key, id, changed);
    this.#counts.delete(key);
    this.#places.delete(key);
    for (const pair of changed) this.#queue.push(pair, this.#counts.get(pair)!);
  }

  #mergeIn(word: Word, index: number, key: number, id: number, changed: Set<number>): void {
    const [left, right] = [leftOf(key), rightOf(key)];
    const { ids, count } = word;
    let kept = 0;
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] !== left || ids[i + 1] !== right) {
        ids[kept++] = ids[i]!;
        continue;
      }
      const [before, after] = [ids[kept - 1], ids[i + 2]];
      if (kept > 0) this.#move(keyOf(before!, left), keyOf(before!, id), count, index, changed);
      if (i + 2 < ids.length) this.#move(keyOf(right, after!), keyOf(id, after!), count, index, changed);
      ids[kept++] = id;
      i++;
    }
    ids.length = kept;
  }

  #move(from: number, to: number, count: number, index: number, changed: Set<number>): void {
    this.#counts.set(from, (this.#counts.get(from) ?? 0) - count);
    this.#add(to, count, index);
    changed.add(to);
  }

  #add(key: number, count: number, index: number): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
    const places = this.#places.get(key);
    if (!places) this.#places.set(key, [index]);
    else if (places.at(-1) !== index) places.push(index);
  }
}

interface Entry {
  key: number;
  count: number;
}

/** A binary heap: the highest count first, of equal ones the smallest pair. */
class PairQueue {
  readonly #heap: Entry[] = [];

  push(key: number, count: number): void {
    const heap = this.#heap;
    let at = heap.length;
    const entry = { key, count };
    for (; at > 0; at = (at - 1) >> 1) {
      const above = heap[(at - 1) >> 1]!;
      if (!isBefore(entry, above)) break;
      heap[at] = above;
    }
    heap[at] = entry;
  }

  pop(): Entry | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return top;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return top;
  }
}

const isBefore = (a: Entry, b: Entry) => a.count > b.count || (a.count === b.count && a.key < b.key);
