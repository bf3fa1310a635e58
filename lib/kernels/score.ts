import { callKernel, type KernelOptions, type Repeat } from './call.js';

export interface ScoreArguments extends Repeat {
  /** (S, H) normed rows. */
  x: Float32Array;
  /** (H) */
  weight: Float32Array;
  /** (S) gradient of each score; with it dx and dweight are returned. */
  gradient?: Float32Array;
  dtype?: 'f32' | 'bf16';
}

/** The scalar head of a reward or value model: score (S) = weight . x; dx (S, H) and dweight (H) where a gradient is given. */
export function score(args: ScoreArguments, options?: KernelOptions) {
  return callKernel<{ score: Float32Array; dx?: Float32Array; dweight?: Float32Array; seconds?: number }>('score', args, options);
}
