import { callKernel, type KernelOptions } from './call.js';

/** Sum of squares of `gradient` (n,), in double and in a fixed order. */
export function gradientNorm(args: { gradient: Float32Array }, options?: KernelOptions) {
  return callKernel<{ sumOfSquares: number }>('gradient_norm', args, options);
}
