/** Shared questions of every kernel test: right values, right gradient, awkward sizes. Numbers are seeded; a failure prints the worst place. */
import { expect } from 'vitest';

/**
 * Whether guard bytes lie around the buffers of every kernel call (native/cpu/guard.h, vitest.config.ts). Not under sanitizers, which watch those
 * bytes and the reads beside a buffer themselves.
 */
export const GUARDED = process.env.ATTUNE_SANITIZED === undefined;

/** mulberry32: small, seeded, the same on every machine. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** n numbers about normal with deviation `scale`. */
export function numbers(n: number, seed: number, scale = 1): Float32Array {
  const next = random(seed * 7919 + 17);
  return Float32Array.from({ length: n }, () => (next() + next() + next() + next() - 2) * 1.732 * scale);
}

/** Rounded to bf16 (nearest even) and back. */
export function roundBf16(values: ArrayLike<number>): Float32Array {
  const out = Float32Array.from(values);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = ((bits[i] ?? 0) + 0x7fff + (((bits[i] ?? 0) >>> 16) & 1)) & 0xffff0000;
  return out;
}

/** |got - expected|, infinite where that is no number: a NaN is further than anything; an infinity that is expected is at no distance. */
export function apart(got: number, expected: number): number {
  if (got === expected) return 0;
  const far = Math.abs(got - expected);
  return Number.isNaN(far) ? Number.POSITIVE_INFINITY : far;
}

/** The place where `excess` is largest; 0 of nothing. */
export function worstPlace(length: number, excess: (i: number) => number): number {
  let worst = 0;
  for (let i = 1; i < length; i++) if (excess(i) > excess(worst)) worst = i;
  return worst;
}

/** Fails unless |got - expected| <= bound * max(rms(expected), least) everywhere; `least` is for differences that cancel; the message names the worst index, both values and the bound. */
export function compare(got: ArrayLike<number>, expected: ArrayLike<number>, bound: number, what = 'value', least = 1e-30): void {
  expect(got.length, `${what}: length`).toBe(expected.length);
  let square = 0;
  for (let i = 0; i < expected.length; i++) square += (expected[i] ?? 0) ** 2;
  const limit = bound * Math.max(Math.sqrt(square / Math.max(1, expected.length)), least);
  const worst = worstPlace(expected.length, (i) => apart(got[i]!, expected[i]!));
  const far = expected.length ? apart(got[worst]!, expected[worst]!) : 0;
  expect(far <= limit, `${what}[${worst}]: got ${got[worst]}, expected ${expected[worst]}, off by ${far}, bound ${limit}`).toBe(true);
}

/** ||got - expected|| / ||expected||. Of other lengths, or of nothing, it would be a 0 that no fault can move: an error. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) throw new Error(`relativeError of ${got.length} numbers, where ${expected.length} are expected`);
  if (expected.length === 0) throw new Error('relativeError of no numbers');
  let far = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    far += ((got[i] ?? 0) - (expected[i] ?? 0)) ** 2;
    size += (expected[i] ?? 0) ** 2;
  }
  return Math.sqrt(far / Math.max(size, 1e-300));
}

export type DType = 'f32' | 'bf16';

/**
 * Fails unless each number is the expected one, rounded to `dtype`: off by 2^-8 of itself in bf16 (half a unit in the last place) and by `bound`
 * of max(rms(expected), least) for the arithmetic in fp32.
 */
export function compareStored(
  dtype: DType,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: number,
  what = 'value',
  least = 1e-30,
): void {
  expect(got.length, `${what}: length`).toBe(expected.length);
  let square = 0;
  for (let i = 0; i < expected.length; i++) square += expected[i]! ** 2;
  const rms = Math.max(Math.sqrt(square / Math.max(1, expected.length)), least);
  const limit = (i: number) => bound * rms + (dtype === 'bf16' ? 2 ** -8 * Math.abs(expected[i]!) : 0);
  const far = (i: number) => apart(got[i]!, expected[i]!);
  const worst = worstPlace(expected.length, (i) => far(i) - limit(i));
  const good = expected.length === 0 || far(worst) <= limit(worst);
  const seen = `${what}[${worst}]: got ${got[worst]}, expected ${expected[worst]}, off by ${far(worst)}, bound ${limit(worst)}`;
  expect(good, seen).toBe(true);
}
