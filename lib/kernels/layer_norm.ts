import { callKernel, type KernelOptions, type Repeat } from './call.js';

export interface LayerNormArguments extends Repeat {
  /** (M, count) */
  x: Float32Array;
  /** (count,) */
  weight: Float32Array;
  /** (count,) */
  bias?: Float32Array;
  /** Added to the variance; 1e-12, as BERT has it. */
  eps?: number;
  dtype?: 'f32' | 'bf16';
}

export interface LayerNormBackwardArguments extends LayerNormArguments {
  /** (M,) as `layerNorm` returned them. */
  mean: Float32Array;
  inverse: Float32Array;
  /** (M, count) gradient of y. */
  dy: Float32Array;
  /** (M, count) gradient that passes beside the norm (a residual), added to dx. */
  through?: Float32Array;
}

/** y = weight (x - mean) / sqrt(var + eps) + bias (Ba, Kiros, Hinton 2016): y (M, count), `mean` and `inverse` = 1 / sqrt(…) (M,). */
export function layerNorm(args: LayerNormArguments, options?: KernelOptions) {
  return callKernel<{ y: Float32Array; mean: Float32Array; inverse: Float32Array; seconds?: number }>('layer_norm', args, options);
}

/** Gradients of `layerNorm`: dx (M, count), dweight and dbias (count,). */
export function layerNormBackward(args: LayerNormBackwardArguments, options?: KernelOptions) {
  return callKernel<{ dx: Float32Array; dweight: Float32Array; dbias: Float32Array; seconds?: number }>(
    'layer_norm_backward',
    args,
    options,
  );
}
