import { callKernel, type KernelOptions, type Repeat } from './call.js';

export interface DropoutArguments extends Repeat {
  /** (M, columns) */
  x: Float32Array;
  columns: number;
  /** Share set to zero, 0 <= p < 1; the rest is divided by 1 - p. */
  p: number;
  /** (M) identity of each row: the same key, the same mask. */
  rowKeys: Int32Array;
  key: number;
  stream?: number;
  dtype?: 'f32' | 'bf16';
}

/** Dropout (Srivastava et al. 2014) whose mask depends on keys and columns only, never on the batch: y (M, columns). */
export function dropout(args: DropoutArguments, options?: KernelOptions) {
  return callKernel<{ y: Float32Array; seconds?: number }>('dropout', args, options);
}
