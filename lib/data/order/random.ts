/** Random numbers of our own: the same on every machine and Node version, with a state that can be written down. */

/** Four words of 32 bits. */
export type RandomState = [number, number, number, number];

/** xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32 so that near seeds give far streams. */
export class Random {
  #state: Uint32Array;

  /** @param seeds any whole numbers; each combination is a stream of its own */
  constructor(...seeds: number[]) {
    let mixed = 0x9e3779b9;
    for (const seed of seeds) mixed = splitmix(mixed ^ splitmix(seed >>> 0) ^ splitmix(Math.floor(seed / 2 ** 32) + 0x51ed27));
    this.#state = Uint32Array.from([1, 2, 3, 4], (n) => splitmix((mixed + Math.imul(n, 0x9e3779b9)) >>> 0));
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  get state(): RandomState {
    return [...this.#state] as RandomState;
  }

  set state(state: RandomState) {
    this.#state = Uint32Array.from(state);
  }

  /** A whole number of 32 bits. */
  next(): number {
    const s = this.#state as Uint32Array & RandomState;
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result;
  }

  /** A whole number from 0 to below `limit` (at most 2³²), each as likely as the other. */
  below(limit: number): number {
    const bound = 2 ** 32 - (2 ** 32 % limit);
    let value = this.next();
    while (value >= bound) value = this.next();
    return value % limit;
  }

  /** Puts the items in random order, in place (Fisher and Yates). */
  shuffle<T extends Int32Array | unknown[]>(items: T): T {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [items[last], items[other]] = [items[other], items[last]];
    }
    return items;
  }
}

const rotate = (word: number, by: number) => ((word << by) | (word >>> (32 - by))) >>> 0;

/** One step of splitmix32: every bit of the input moves every bit of the output. */
function splitmix(seed: number): number {
  let z = (seed + 0x9e3779b9) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
