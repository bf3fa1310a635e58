/** The native side as TypeScript sees it: networks, adapters, batches, models, generations. Symbols: N tokens, S sequences, V vocabulary. */

import type { NativeGeneration, NativeRollout, RolloutOptions } from './generation.js';

/** Number type of weights and activations; sums are fp32 in both. */
export type DType = 'f32' | 'bf16';
/** How a tensor is stored in a file. */
export type StoredType = 'f32' | 'f16' | 'bf16';
/** Instruction sets, in rising order. */
export type Variant = 'reference' | 'avx2' | 'avx512' | 'amx';

/** Rotary embedding; meaning of the fields as in transformers' `rope_parameters`. */
export interface RotaryConfig {
  kind: 'standard' | 'linear' | 'dynamic' | 'llama3' | 'yarn';
  base: number;
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  /** `original_max_position_embeddings` (llama3, yarn). */
  originalContext: number;
  /** `max_position_embeddings` (dynamic). */
  context: number;
  betaFast: number;
  betaSlow: number;
  /** 0: 0.1 ln(factor) + 1. */
  attentionFactor: number;
}

/**
 * Where a tensor goes. `norm1` and `norm2` stand before attention and before the MLP of a layer; where norms come after the sums, a layer begins with the
 * norm that ends the one before it (of the first: the embedding's). `lastNorm` is the one behind the last layer, `headDense` and `headNorm` what an
 * encoder has before its vocabulary.
 */
export type Place =
  | 'words'
  | 'positions'
  | 'types'
  | 'norm1'
  | 'query'
  | 'key'
  | 'value'
  | 'queryNorm'
  | 'keyNorm'
  | 'output'
  | 'norm2'
  | 'gate'
  | 'up'
  | 'down'
  | 'lastNorm'
  | 'headDense'
  | 'headNorm'
  | 'vocabulary';

/** One tensor of a network. */
export interface NetworkTensor {
  /** As the checkpoint names it: `model.layers.0.self_attn.q_proj.weight`. */
  name: string;
  /** Several: fused, its rows are those of the places one after the other. */
  places: Place[];
  /** Of places that each layer has. */
  layer?: number;
  /** Of a linear layer, a norm or the vocabulary. */
  bias?: boolean;
  /** Stored (inputs, outputs). */
  transposed?: boolean;
  /** As stored; and what in config.json it comes from, for messages. */
  shape: number[];
  because: string;
}

/** A network, read from config.json and checked against the tensors by lib/checkpoint: sizes, the facts by which families differ, its tensors. */
export interface NetworkConfig {
  vocabulary: number;
  hidden: number;
  inner: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  eps: number;
  /** Most positions that the model was made for; of a network with a table of positions, its rows. */
  context: number;
  /** Rows of the token type embedding, every token is of type 0; 0: there is none. */
  types: number;
  /** The output head is the word embedding. */
  tied: boolean;
  norm: 'rms' | 'layer';
  /** Before attention and MLP, or after each sum. */
  normPlace: 'before' | 'after';
  activation: 'silu' | 'gelu' | 'gelu_tanh';
  /** The MLP is down(f(gate x) * up x), otherwise down(f(up x)). */
  gated: boolean;
  /** A token sees those before it and predicts the next; otherwise it sees its whole sequence and predicts itself. */
  causal: boolean;
  positions: 'rotary' | 'table';
  rotary?: RotaryConfig;
  /** Tokens that a query of each layer sees, itself included; 0: all. Length `layers`. */
  windows: number[];
  /** Copies of tied tensors that a file may hold beside them: name of the copy, name of the original. */
  copies?: Record<string, string>;
  /** In the order of the forward pass: what is loaded, trained and written. */
  tensors: NetworkTensor[];
}

/** A tensor in a file: `offset` bytes from the start, row-major, little-endian. Names are transformers' (`model.layers.0.self_attn.q_proj.weight`). */
export interface StoredTensor {
  name: string;
  path: string;
  offset: number;
  stored: StoredType;
  shape: number[];
}

export interface ModelOptions {
  config: NetworkConfig;
  tensors: StoredTensor[];
  /** Default `cpu`. `plain`: plain loops in double, to hold other engines against; far too slow for work. */
  device?: 'cpu' | 'plain';
  dtype: DType;
  /** 0: one per CPU. */
  threads: number;
  /** `none`: forward only; `adapter`: LoRA tensors are trained; `all`: every tensor is (fp32 master weights). */
  train: 'none' | 'adapter' | 'all';
  /** Keep only the input of each layer and compute the rest again in the backward pass: a third more time, far less memory. */
  recomputeActivations: boolean;
}

/** Low-rank factors of one linear layer: `a` (rank, inputs), `b` (outputs, rank), row-major. */
export interface AdapterTarget {
  /** As in transformers, without `.weight`: `model.layers.0.self_attn.q_proj`. */
  name: string;
  rank: number;
  a: Float32Array;
  b: Float32Array;
}

export interface AdapterOptions {
  /** Several adapters live beside each other on one base (policy, reference, reward model); default `default`. */
  name?: string;
  /** Whether its tensors are trained; default: the model was loaded with `train: 'adapter'`. */
  train?: boolean;
  /** alpha / rank, or alpha / sqrt(rank) with rsLoRA. */
  scale: number;
  /** Share of the inputs of the low-rank term set to zero in training; 0: none. */
  dropout: number;
  targets: AdapterTarget[];
}

/** A ragged batch: N tokens end to end. `targets[i]` is the id that position i must predict, -1 where nothing is trained. */
export interface ForwardBatch {
  tokens: Int32Array;
  /** (S + 1) offsets, rising from 0 to N. */
  sequenceStarts: Int32Array;
  targets: Int32Array;
  /** Positions and the ids that they must predict, in place of `targets`: a prompt's last token may have to predict the first of each answer. */
  targetRows?: Int32Array;
  targetIds?: Int32Array;
  /** (T K) ids whose log-probabilities are wanted of each target's row, K for each. */
  candidates?: Int32Array;
  /** Positions whose score is wanted; needs a head. */
  scoreRows?: Int32Array;
  /**
   * (S) identity of each sequence within its step, for dropout: the same mask however a step is split. Default: its index in the batch. (N): one a
   * token, where a sequence here holds several that share their beginning. A token's mask is that of its key and its position.
   */
  sequenceKeys?: Int32Array;
  /** (N) position of each token, from 0 to one less than its sequence has tokens. Default: its place in the sequence. */
  positions?: Int32Array;
  /**
   * (N) Token i does not see the tokens `hiddenFrom[i]` to `hiddenTo[i]` (excluded) of its sequence, which leave out the token itself; where both are
   * equal, nothing is hidden. So branches of a beginning do not see each other. Default: nothing is hidden.
   */
  hiddenFrom?: Int32Array;
  hiddenTo?: Int32Array;
}

export interface ForwardOptions {
  /** Keep what backward needs. */
  keep?: boolean;
  /** Name of the adapter in use (default `default`, where set); false: the base alone (the reference of preference methods). */
  adapter?: string | boolean;
  /** Random key of dropout; without it nothing is dropped. Same key and row, same mask, however a step is split. */
  dropoutKey?: number;
  entropy?: boolean;
  mean?: boolean;
  /** Logits are divided by it before anything is made of them; default 1. Scores are not. */
  temperature?: number;
  /** Likeliest ids wanted of each target's row, at most 4096 and the vocabulary. */
  topK?: number;
  /** `false`: full attention (encoders). */
  causal?: boolean;
}

/** One number per position with a target >= 0, in order. */
export interface ForwardResult {
  logprob: Float32Array;
  lse: Float32Array;
  entropy?: Float32Array;
  /** Mean logit over the vocabulary. */
  mean?: Float32Array;
  /** One per position in `scoreRows`. */
  score?: Float32Array;
  /** (T K) of `candidates`. */
  candidates?: Float32Array;
  /** (T topK) the likeliest ids, likeliest first, equal ones by lower id; and their log-probabilities. */
  topIds?: Int32Array;
  topLogprob?: Float32Array;
}

/** Gradients of the loss with respect to what forward returned. */
export interface BackwardGradients {
  logprob: Float32Array;
  lse?: Float32Array;
  entropy?: Float32Array;
  mean?: Float32Array;
  score?: Float32Array;
  /** (T K); must be given where the batch had some. */
  candidates?: Float32Array;
}

export interface OptimizerStep {
  learningRate: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** Factor on every gradient (clipping). */
  scale: number;
  /** From 1. */
  step: number;
}

export type ParameterPart = 'value' | 'gradient' | 'first' | 'second';

/**
 * `adapter` names the set that is meant; default `default`, and the base where all weights are trained.
 *
 * Work runs in the order in which it was asked for, awaited or not, on a thread of the model's own. What returns a promise rejects it, and never
 * throws at once. `parameters` and `memory` answer at once, of what the work that is done by then left behind.
 */
export interface NativeModel {
  /**
   * Whether batches may bring positions and hidden keys, so that what sequences begin with is computed once; false for encoders and where rotary embedding turns by
   * the length of a sequence. Setting it to false has every sequence computed whole.
   */
  sharesBeginnings: boolean;
  /** Adds an adapter, or replaces the one of its name; one that does not fit changes nothing. With `train` its tensors are parameters. */
  setAdapter(options: AdapterOptions): Promise<void>;
  /** Rejects where none has the name. */
  removeAdapter(adapter: string): Promise<void>;
  /** Gives a set a scalar head, (hidden) numbers: score = weight . normed row. Trained where the set is, as `base_model.model.score.weight`. */
  setHead(weight: Float32Array, adapter?: string): Promise<void>;
  /** (hidden) numbers of the head; empty without one. */
  head(adapter?: string): Promise<Float32Array>;
  forward(batch: ForwardBatch, options?: ForwardOptions): Promise<ForwardResult>;
  /**
   * Gradients of the last `forward` with `keep`, added to those already there. That pass can be gone back through once, and no longer when
   * another pass ran, or a step, a write, a head or an adapter changed the weights since.
   */
  backward(gradients: BackwardGradients): Promise<void>;
  /** L2 over all trained tensors of the set. */
  gradientNorm(adapter?: string): Promise<number>;
  /** One AdamW step; gradients are zero afterwards. */
  step(options: OptimizerStep, adapter?: string): Promise<void>;
  zeroGradients(adapter?: string): Promise<void>;
  /** Trained tensors in a fixed order, with transformers' or PEFT's names (`base_model.model.….lora_A.weight`). */
  parameters(adapter?: string): { name: string; shape: number[] }[];
  read(name: string, part: ParameterPart, adapter?: string): Promise<Float32Array>;
  write(name: string, part: ParameterPart, values: Float32Array, adapter?: string): Promise<void>;
  /** (N, V) row-major; for comparisons on few tokens. */
  logits(tokens: Int32Array, sequenceStarts: Int32Array, options?: { adapter?: string | boolean }): Promise<Float32Array>;
  /** capacity: most tokens, prompt included. More than there is memory for is refused with `out_of_memory`. */
  startGeneration(capacity: number, adapter?: string | boolean): NativeGeneration;
  /** More than there is memory for is refused with `out_of_memory`. */
  startRollout(options: RolloutOptions): NativeRollout;
  /** Bytes held, by part: weights, adapter, optimizer, activations, workspace. */
  memory(): Record<string, number>;
  /** Lets the model go behind the work that is queued; nothing more is taken. Twice is as good as once. */
  dispose(): void;
  [Symbol.dispose](): void;
}

/** What `doctor` shows of the processor. */
export interface CpuFacts {
  features: string;
  available: Variant;
  chosen: Variant;
  /** Of a model that is given no number: the CPUs of the affinity mask, as many as the quota of the control group pays for. */
  threads: number;
  /** What a team of so many threads would get now: CPUs of its own, or `none: ` and the reason. */
  pinning: string;
}

export type KernelFunction = ((args: object, options?: { variant?: Variant; threads?: number }) => Record<string, unknown>) & {
  variants: Variant[];
};
