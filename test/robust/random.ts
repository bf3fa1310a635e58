/** Seeded choices of a fuzzer: the same seed, the same input, on every machine. */
import { random } from '../kernels/harness.js';

export interface Random {
  /** Uniform in 0 … 1, 1 excluded. */
  unit(): number;
  /** Whole number from 0 to n - 1. */
  below(n: number): number;
  pick<T>(from: readonly T[]): T;
  /** True with probability p. */
  chance(p: number): boolean;
}

/** Input `index` of the run with this seed: each input has a stream of its own, so that one can be made again alone. */
export function choices(seed: number, index: number): Random {
  const unit = random(seed * 1_000_003 + index * 7919 + 13);
  const below = (n: number) => Math.floor(unit() * n);
  return { unit, below, pick: (from) => from[below(from.length)]!, chance: (p) => unit() < p };
}

/** n numbers in -1 … 1, now and then one that breaks arithmetic. */
export function floats(n: number, random: Random): Float32Array {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, 1e-45];
  return Float32Array.from({ length: n }, () => (random.chance(0.01) ? random.pick(odd) : random.unit() * 2 - 1));
}

/** n whole numbers from 0 to below - 1. */
export const ids = (n: number, below: number, random: Random) => Int32Array.from({ length: n }, () => random.below(below));
