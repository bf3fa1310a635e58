import { callKernel, type KernelOptions } from './call.js';

export interface AdamwArguments {
  /** (n,) weights, gradient and both moments. */
  weights: Float32Array;
  gradient: Float32Array;
  first: Float32Array;
  second: Float32Array;
  rate: number;
  beta1?: number;
  beta2?: number;
  eps?: number;
  /** Decoupled weight decay. */
  decay?: number;
  /** Factor on the gradient (clipping). */
  scale?: number;
  /** Number of this step, from 1. */
  t: number;
}

/** One AdamW step (Loshchilov and Hutter 2019), bias-corrected, decay decoupled. Returns new arrays of (n,). */
export function adamw(args: AdamwArguments, options?: KernelOptions) {
  return callKernel<{ weights: Float32Array; first: Float32Array; second: Float32Array }>('adamw', args, options);
}
