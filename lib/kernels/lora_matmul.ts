import type { DType } from '../native.js';
import { callKernel, type KernelOptions, type Repeat } from './call.js';

/** One linear layer of a group: y = x w^T + scale (x a^T) b^T. */
export interface LoraTarget {
  /** Outputs. */
  n: number;
  /** 0 (no adapter) to 256. */
  rank: number;
  /** (n, k) */
  w: Float32Array;
  /** (rank, k) and (n, rank), as PEFT's lora_A and lora_B. */
  a?: Float32Array;
  b?: Float32Array;
}

export interface LoraMatmulArguments extends Repeat {
  m: number;
  k: number;
  /** (m, k), the input that all targets share. */
  x: Float32Array;
  targets: LoraTarget[];
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA; default 1. */
  scale?: number;
  /** Two targets of equal n in columns by turns, as gate and up of a network lie. */
  gated?: boolean;
  /** (m, sum of n): with it the backward pass runs too. */
  dy?: Float32Array;
  dtype?: DType;
}

export interface LoraMatmulResult {
  /** (m, sum of n), targets side by side. */
  y: Float32Array;
  /** (m, k) */
  dx?: Float32Array;
  /** Of each target: (rank, k) and (n, rank), fp32. */
  gradients?: { a: Float32Array; b: Float32Array }[];
  seconds?: number;
}

/**
 * Linear layers with low-rank adapters (Hu et al. 2021) as one operation, and with `dy` their gradients. Row-major, any size. Throws
 * `kernel_arguments` on wrong shapes.
 */
export function loraMatmul(args: LoraMatmulArguments, options?: KernelOptions) {
  return callKernel<LoraMatmulResult>('lora_matmul', args, options);
}
