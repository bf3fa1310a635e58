// What a bench of a kernel room exports: cases. The runner times them, interleaved with the ceilings of the machine.

import type { Variant } from '../lib/native.js';
import { random } from '../test/kernels/harness.js';

export interface BenchCase {
  kernel: string;
  /** As people say it: `2048 x 576`. */
  shape: string;
  dtype: 'f32' | 'bf16';
  /** Useful floating-point operations of one run. */
  flops?: number;
  /** Bytes that one run must read and write at least. */
  bytes?: number;
  /** Makes the data, once. */
  prepare(): {
    /** Runs the kernel `repeat` times and returns the seconds of one run, measured inside the addon: without the conversion of layouts. */
    run(variant: Variant, threads: number, repeat: number): number;
    /** ||got - reference|| / ||reference||, the reference with the same numbers. */
    error?(variant: Variant): number;
  };
}

/** n seeded numbers in -1 .. 1: random data, because tiles of zeros run a third faster. */
export function uniform(n: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: n }, () => 2 * next() - 1);
}

/** `seconds` of a kernel's result. */
export function secondsOf(result: { seconds?: number }): number {
  if (result.seconds === undefined) throw new Error('the kernel returned no time: `repeat` was not given');
  return result.seconds;
}
