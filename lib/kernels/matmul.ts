import type { DType, Variant } from '../native.js';
import { callKernel, type KernelOptions, type Repeat } from './call.js';

/** What happens to the sums of a product. */
export type MatmulFinish = 'store' | 'store_scaled' | 'add' | 'swiglu' | 'swiglu_backward' | 'store_float';

export interface MatmulArguments extends Repeat {
  /** Rows of `a`; outputs and inputs of the linear layer. */
  m: number;
  n: number;
  k: number;
  /** (m, k), or (m, n) with `transposed`. */
  a: Float32Array;
  /** (n, k) as a checkpoint stores a linear layer: numbers, or the bits of bf16 or f16. With `swiglu`: gate rows, then up rows. */
  w: Float32Array | Uint16Array;
  stored?: 'f32' | 'bf16' | 'f16';
  /** Number type of the rows and of the packed weights; sums are fp32. Default f32. */
  dtype?: DType;
  /** C = A W (m, k) instead of A W^T (m, n). */
  transposed?: boolean;
  /** `false`: no packing of its own for the transposed product, squares are turned on their way. */
  both?: boolean;
  /** Default `store`. */
  finish?: MatmulFinish;
  /** One per column of C; `store`, `add`, `swiglu`. */
  bias?: Float32Array;
  /** Shape of C; `add`. */
  residual?: Float32Array;
  /** (m, 2 k): gate, then up; `swiglu_backward`. */
  kept?: Float32Array;
  /** `store_scaled`. */
  scale?: number;
  /** A low-rank term: C += lowLeft (m, lowRank) lowRight^T (n, lowRank), or lowLeft lowRight (lowRank, k) with `transposed`. */
  lowRank?: number;
  lowLeft?: Float32Array;
  lowRight?: Float32Array;
  /** First and last 32-deep step of the low-rank term that each 32 columns of C need. */
  window?: Int32Array;
}

export interface MatmulResult {
  /** (m, n), (m, k) with `transposed`, (m, n / 2) with `swiglu`. */
  c: Float32Array;
  /** (m, 2 inner): gate and up with `swiglu`, their gradients with `swiglu_backward`. */
  kept?: Float32Array;
  /** False when a weight is infinite or NaN. */
  finite: boolean;
  /** Of one run, without packing and conversion, where `repeat` was given. */
  seconds?: number;
}

/** C = A W^T, or A W, with an adapter's term and what follows the product. Row-major, any size. Throws `kernel_arguments` on wrong shapes. */
export function matmul(args: MatmulArguments, options?: KernelOptions) {
  return callKernel<MatmulResult>('matmul', args, options);
}

export interface ContractArguments extends Repeat {
  m: number;
  r: number;
  k: number;
  /** (m, r) and (m, k). */
  left: Float32Array;
  right: Float32Array;
  /** (r, k) that the product is added to. */
  out?: Float32Array;
  dtype?: DType;
  /** 32-column blocks per task of the team. */
  taskBlocks?: number;
}

/** out (r, k) += left^T right, the sum over m rows in fp32: gradients of weights. */
export function contract(args: ContractArguments, options?: KernelOptions) {
  return callKernel<{ out: Float32Array; seconds?: number }>('matmul_contract', args, options);
}

/** out (k,) += the sum of the m rows of x (m, k): the gradient of a bias. */
export function columnSums(args: { m: number; k: number; x: Float32Array; out?: Float32Array; dtype?: DType }, options?: KernelOptions) {
  return callKernel<{ out: Float32Array }>('matmul_column_sums', args, options);
}

/** How a product would be cut on a processor with these caches (bytes): a pure function, the same that the kernels use. */
export function matmulPlan(args: { isa: Variant; dtype: DType; contraction: number; l1?: number; l2?: number }) {
  return callKernel<{ rows: number; depth: number; columns: number; workspaceFloats: number }>('matmul_plan', args);
}
