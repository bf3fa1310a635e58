import { callKernel, type KernelOptions, type Repeat } from './call.js';

/** silu: x sigmoid(x). gelu: x Φ(x). gelu_tanh: its form with tanh(√(2/π)(x + 0.044715 x³)). */
export type Activation = 'silu' | 'gelu' | 'gelu_tanh';

interface Common extends Repeat {
  /** silu. */
  activation?: Activation;
  dtype?: 'f32' | 'bf16';
}

export interface SwigluArguments extends Common {
  /** (M, columns) */
  gate: Float32Array;
  /** (M, columns) */
  up: Float32Array;
  columns: number;
}

export interface ActivationArguments extends Common {
  /** (M, columns) */
  x: Float32Array;
  /** All of x where absent. */
  columns?: number;
}

/** act = f(gate) up (Shazeer 2020: SwiGLU with silu, GeGLU with gelu): act (M, columns). */
export function swiglu(args: SwigluArguments, options?: KernelOptions) {
  return callKernel<{ act: Float32Array; seconds?: number }>('swiglu', args, options);
}

/** Gradients of `swiglu` from dact (M, columns), and the activation again; all (M, columns). */
export function swigluBackward(args: SwigluArguments & { dact: Float32Array }, options?: KernelOptions) {
  return callKernel<{ dgate: Float32Array; dup: Float32Array; act: Float32Array; seconds?: number }>('swiglu_backward', args, options);
}

/** y = f(x), (M, columns). */
export function activation(args: ActivationArguments, options?: KernelOptions) {
  return callKernel<{ y: Float32Array; seconds?: number }>('activation', args, options);
}

/** dx = dy f′(x), (M, columns). */
export function activationBackward(args: ActivationArguments & { dy: Float32Array }, options?: KernelOptions) {
  return callKernel<{ dx: Float32Array; seconds?: number }>('activation', args, options);
}
