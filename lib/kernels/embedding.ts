import { callKernel, type KernelOptions, type Repeat } from './call.js';

interface Common extends Repeat {
  /** (N,) */
  ids: Int32Array;
  /** Rows of the matrix. */
  vocabulary: number;
  columns: number;
  dtype?: 'f32' | 'bf16';
}

export interface EmbeddingArguments extends Common {
  /** (vocabulary, columns) */
  weight: Float32Array;
}

export interface EmbeddingBackwardArguments extends Common {
  /** (N, columns) */
  dx: Float32Array;
}

/** The rows `ids` of `weight`: x (N, columns). */
export function embedding(args: EmbeddingArguments, options?: KernelOptions) {
  return callKernel<{ x: Float32Array; seconds?: number }>('embedding', args, options);
}

/** dweight (vocabulary, columns): the sum of the rows of dx of each id, in fp32. */
export function embeddingBackward(args: EmbeddingBackwardArguments, options?: KernelOptions) {
  return callKernel<{ dweight: Float32Array; seconds?: number }>('embedding_backward', args, options);
}
