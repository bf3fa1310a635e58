/** Every kernel on typed arrays, for users of single kernels, tests and benches. */
export { type AdamwArguments, adamw } from './adamw.js';
export {
  type AttentionArguments,
  type AttentionBackwardArguments,
  type AttentionBackwardResult,
  type AttentionDecodeArguments,
  type AttentionResult,
  attention,
  attentionBackward,
  attentionDecode,
} from './attention.js';
export { type KernelOptions, kernelVariants } from './call.js';
export { type CeilingArguments, ceiling } from './ceiling.js';
export { type DropoutArguments, dropout } from './dropout.js';
export { type EmbeddingArguments, type EmbeddingBackwardArguments, embedding, embeddingBackward } from './embedding.js';
export { gradientNorm } from './gradient_norm.js';
export { type LayerNormArguments, type LayerNormBackwardArguments, layerNorm, layerNormBackward } from './layer_norm.js';
export { type LogprobArguments, type LogprobBackwardArguments, logprob, logprobBackward, logprobPlan } from './logprob.js';
export { type LoraMatmulArguments, type LoraMatmulResult, type LoraTarget, loraMatmul } from './lora_matmul.js';
export {
  type ContractArguments,
  columnSums,
  contract,
  type MatmulArguments,
  type MatmulFinish,
  type MatmulResult,
  matmul,
  matmulPlan,
} from './matmul.js';
export { type RmsNormArguments, type RmsNormBackwardArguments, rmsNorm, rmsNormBackward } from './rms_norm.js';
export { type RotaryArguments, type RotaryScaling, rotary, rotaryFrequencies } from './rotary.js';
export { type SampleArguments, sample } from './sample.js';
export { type ScoreArguments, score } from './score.js';
export {
  type Activation,
  type ActivationArguments,
  activation,
  activationBackward,
  type SwigluArguments,
  swiglu,
  swigluBackward,
} from './swiglu.js';
