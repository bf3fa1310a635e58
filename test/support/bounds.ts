// Bounds of numeric tests, from the rounding of a type and the size of what is summed; a failure tells the worst place.
import { expect } from 'vitest';
import { apart, type DType, relativeError, worstPlace } from '../kernels/harness.js';

/** Some roundings of double arithmetic, relative. */
export const ULPS = 8 * 2 ** -53;

/** Largest relative error of one rounding to nearest: of 24 and of 8 significant bits. */
export const UNIT: Record<DType, number> = { f32: 2 ** -24, bf16: 2 ** -8 };

/**
 * What a sum of `terms` numbers may be off by, in any order of adding: roundings are as often up as down, so that their sum grows by √terms, and
 * stays below 4 deviations (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019).
 * @param size Σ|x| of the terms
 */
export const sumBound = (terms: number, size: number, dtype: DType = 'f32') => 4 * Math.sqrt(terms) * UNIT[dtype] * size;

/** Fails unless ||got - expected|| <= bound ||expected||, with the numbers that are furthest apart. */
export function expectNear(got: ArrayLike<number>, expected: ArrayLike<number>, bound: number, what: string): void {
  const error = relativeError(got, expected);
  const worst = worstPlace(expected.length, (i) => apart(got[i]!, expected[i]!));
  const furthest = `furthest at [${worst}]: got ${got[worst]}, expected ${expected[worst]}`;
  expect(error <= bound, `${what}: off by ${error} of its norm, bound ${bound}; ${furthest}`).toBe(true);
}

/**
 * Relative bound of a figure that two passes in fp32 compute from the same numbers, summed in another order or packed another way: sixteen roundings.
 * A mean over few tokens or a norm is off by some of its terms' roundings, as often up as down.
 */
export const ROUNDINGS = 16 * UNIT.f32;

/** How far a share of `count` draws may be from its probability by chance: four deviations. */
export const shareBound = (probability: number, count: number) => 4 * Math.sqrt((probability * (1 - probability)) / count);

/** Fails unless |got / expected - 1| <= bound. */
export function expectRatio(got: number, expected: number, bound: number, what: string): void {
  expectNear([got], [expected], bound, what);
}
