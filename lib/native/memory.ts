/** How much memory a run will need: asked before anything is loaded. */
import type { ModelOptions } from './types.js';

/** How large a rollout is: what its memory depends on. */
export interface RolloutShape {
  prompts: number;
  /** Answers to each. */
  samples: number;
  /** Tokens of the longest prompt. */
  longestPrompt: number;
  maxNewTokens: number;
}

/** Bytes that a run will need. */
export interface PlannedMemory {
  /** Weights, packings, adapter, optimiser state. */
  fixed: number;
  /** For the tokens in flight, or the prompts of a rollout in one pass. */
  activations: number;
  /** Of a rollout: keys and values in pages, and the logits of answers in flight. */
  cache: number;
}

export type MemoryRequest = Omit<ModelOptions, 'tensors'> & {
  /** In flight. */
  tokens: number;
  /** Of an adapter on all linear layers; 0: none. */
  rank: number;
  /** Answers that the model writes between its steps. */
  rollout?: RolloutShape;
};
