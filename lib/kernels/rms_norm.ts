import { callKernel, type KernelOptions, type Repeat } from './call.js';

export interface RmsNormArguments extends Repeat {
  /** (M, groups, count): each group of each row is normed by itself. */
  x: Float32Array;
  /** (count,) */
  weight: Float32Array;
  /** 1 for the norm of a layer, the number of heads for the norm of queries or keys. */
  groups?: number;
  /** Added to the mean square; 1e-6. */
  eps?: number;
  dtype?: 'f32' | 'bf16';
}

export interface RmsNormBackwardArguments extends RmsNormArguments {
  /** (M, groups) as `rmsNorm` returned it. */
  inverse: Float32Array;
  /** (M, groups, count) gradient of y. */
  dy: Float32Array;
  /** (M, groups, count) gradient that passes beside the norm (a residual), added to dx. */
  through?: Float32Array;
}

/** y = weight x / sqrt(mean(x²) + eps) (Zhang and Sennrich 2019): y (M, groups, count) and `inverse` (M, groups), the factor 1 / sqrt(…). */
export function rmsNorm(args: RmsNormArguments, options?: KernelOptions) {
  return callKernel<{ y: Float32Array; inverse: Float32Array; seconds?: number }>('rms_norm', args, options);
}

/** Gradients of `rmsNorm`: dx (M, groups, count), dweight (count,). */
export function rmsNormBackward(args: RmsNormBackwardArguments, options?: KernelOptions) {
  return callKernel<{ dx: Float32Array; dweight: Float32Array; seconds?: number }>('rms_norm_backward', args, options);
}
