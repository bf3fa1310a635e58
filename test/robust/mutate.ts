/** Bends values, JSON and bytes: what a fuzzer does to an input that was right. */
import type { Random } from './random.js';

/** Values that some code somewhere forgets. */
export const ODD: readonly unknown[] = [
  ...[null, undefined, true, false, 0, -0, 1, -1, 2, 0.5, -1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[1e308, -1e308, 1e-320, 2 ** 31, 2 ** 31 - 1, -(2 ** 31), 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 63, 2 ** 64, 10n],
  ...['', 'x', '1', '__proto__', 'constructor', 'a'.repeat(300), '\ud800', '\0', [], {}, [1], [[]], [null], { a: 1 }],
  ...[new Date(0), Symbol.iterator, () => 1],
];
const isJson = (value: unknown) =>
  !['bigint', 'symbol', 'function', 'undefined'].includes(typeof value) &&
  !(typeof value === 'number' && !Number.isFinite(value)) &&
  !(value instanceof Date);
const ODD_JSON = ODD.filter(isJson);
/** One that JSON can hold; a copy, as it may be bent itself. */
export const oddJson = (r: Random) => structuredClone(r.pick(ODD_JSON));

type Holder = Record<string, unknown>;

/** Every place in a JSON value, as its holder and key; some thousands at most. */
function places(value: unknown): [Holder, string][] {
  const all: [Holder, string][] = [];
  const walk = (holder: unknown) => {
    if (holder === null || typeof holder !== 'object') return;
    for (const key of Object.keys(holder)) {
      all.push([holder as Holder, key]);
      if (all.length < 4000) walk((holder as Holder)[key]);
    }
  };
  walk(value);
  return all;
}

/** A copy of a JSON value with one to three places changed. */
export function mutateJson<T>(value: T, r: Random, rounds = 1 + r.below(3)): T {
  let bent: unknown = structuredClone(value);
  for (let k = 0; k < rounds; k++) {
    const all = places(bent);
    if (all.length === 0) return oddJson(r) as T;
    const before = structuredClone(bent);
    changePlace(...r.pick(all), all, r);
    if (!finite(bent)) bent = before;
  }
  return bent as T;
}
function finite(value: unknown): boolean {
  try {
    return JSON.stringify(value).length < 1 << 20;
  } catch {
    return false; // a circle, or too deep
  }
}

function changePlace(holder: Holder, key: string, all: [Holder, string][], r: Random): void {
  const value = holder[key];
  const list = Array.isArray(holder) ? (holder as unknown[]) : undefined;
  const [otherHolder, otherKey] = r.pick(all);
  const changes: (() => void)[] = [
    () => (list ? list.splice(Number(key), 1) : delete holder[key]),
    () => set(holder, key, oddJson(r)),
    () => set(holder, key, near(value, r)),
    () => set(holder, key, near(value, r)),
    () => set(holder, key, otherHolder[otherKey]),
    () => (list ? list.push(value) : set(holder, r.pick(['__proto__', 'constructor', 'x', '', `${key}x`, key.toUpperCase()]), value)),
    () => set(holder, key, [value]),
    () => set(holder, key, deep(r.pick([3, 50, 1000]), r)),
    () => set(holder, key, typeof value === 'string' ? words(r) : r.below(2 ** 31) - 2 ** 30),
  ];
  r.pick(changes)();
}
const set = (holder: Holder, key: string, value: unknown) =>
  Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true });

/** A value of the same type, not far away. */
function near(value: unknown, r: Random): unknown {
  if (typeof value === 'number')
    return r.pick([value + 1, value - 1, -value, value * 2, value * 1e9, value / 2, 0, 2 ** 53, value ^ (1 << r.below(31))]);
  if (typeof value === 'string')
    return r.pick([`${value}x`, value.slice(0, -1), value.slice(r.below(value.length + 1)), value + value, value.toUpperCase(), '']);
  if (Array.isArray(value)) return r.pick([value.concat(value), value.slice(1), [...value].reverse(), [value]]);
  return oddJson(r);
}
function deep(levels: number, r: Random): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = r.chance(0.5) ? [value] : { a: value };
  return value;
}
const words = (r: Random) => String.fromCodePoint(...Array.from({ length: r.below(20) }, () => r.below(0xd7ff)));

const TOKENS = ['"', '{', '[', '\\', '\n', '\r', '\0', '\u2028', ',', '-', '1e999', '99999999999999999999', 'null', '0x', '\ufeff'];
const COUNTS = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** A copy of bytes with a few places changed; more often near the front, where headers are. */
export function mutateBytes(bytes: Uint8Array, r: Random, rounds = 1 + r.below(4)): Buffer {
  let bent = Buffer.from(bytes);
  for (let k = 0; k < rounds && bent.length > 0; k++)
    bent = changeBytes(bent, r.below(r.chance(0.5) ? Math.min(bent.length, 200) : bent.length), r);
  return bent;
}
function changeBytes(b: Buffer<ArrayBuffer>, at: number, r: Random): Buffer<ArrayBuffer> {
  const [head, tail] = [b.subarray(0, at), b.subarray(at)];
  const changes: (() => Buffer<ArrayBuffer>)[] = [
    () => b.fill(r.below(256), at, at + 1),
    () => b.fill(b[at]! ^ (1 << r.below(8)), at, at + 1),
    () => head,
    () => Buffer.concat([head, tail.subarray(1 + r.below(16))]),
    () => Buffer.concat([head, tail.subarray(0, 1 + r.below(32)), tail]),
    () => Buffer.concat([head, Buffer.from(Array.from({ length: r.below(20) }, () => r.below(256))), tail]),
    () => b.fill(r.pick([0, 255, 0x22, 0x7b]), at, Math.min(b.length, at + r.below(40))),
    () => Buffer.concat([head, Buffer.from(r.pick(TOKENS)), tail]),
    () => {
      const count = Buffer.alloc(8);
      count.writeBigUInt64LE(r.pick([...COUNTS, BigInt(b.length)]));
      count.copy(b, Math.min(at, Math.max(0, b.length - 8)));
      return b;
    },
  ];
  return r.pick(changes)();
}
