import { callKernel, type KernelOptions, type Repeat } from './call.js';

/** How positions become angles. Names and defaults are those of a checkpoint's `rope_parameters`. */
export interface RotaryScaling {
  kind?: 'default' | 'linear' | 'dynamic' | 'llama3' | 'yarn';
  /** `rope_theta`; 10000. */
  base?: number;
  factor?: number;
  /** llama3; 1 and 4. */
  lowFreqFactor?: number;
  highFreqFactor?: number;
  /** llama3, yarn: `original_max_position_embeddings`. */
  originalContext?: number;
  /** dynamic: `max_position_embeddings`. */
  context?: number;
  /** yarn; 32 and 1. */
  betaFast?: number;
  betaSlow?: number;
  /** yarn: factor of cosines and sines; 0.1 ln(factor) + 1, or the quotient of the two that `mscale` and `mscaleAllDim` make. */
  attentionFactor?: number;
  mscale?: number;
  mscaleAllDim?: number;
  truncate?: boolean;
}

export interface RotaryArguments extends RotaryScaling, Repeat {
  /** (N, heads, headSize) */
  x: Float32Array;
  /** (N,) */
  positions: Int32Array;
  headSize: number;
  heads?: number;
  /** Tokens of the sequence, for `dynamic`; the highest position + 1. */
  length?: number;
  /** Turn back: the backward pass. */
  inverse?: boolean;
  dtype?: 'f32' | 'bf16';
}

/** Rotates the pairs (i, i + headSize / 2) of each head by position × frequency (Su et al. 2021). Returns x (N, heads, headSize). */
export function rotary(args: RotaryArguments, options?: KernelOptions) {
  return callKernel<{ x: Float32Array; seconds?: number }>('rotary', args, options);
}

/** Frequencies (headSize / 2,) of a sequence of `length` tokens and the factor of cosines and sines, as transformers computes them in fp32. */
export function rotaryFrequencies(args: RotaryScaling & { headSize: number; length?: number }) {
  return callKernel<{ frequencies: Float32Array; attentionFactor: number }>('rotary_frequencies', args);
}
