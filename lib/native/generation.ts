/** Text that a model writes: one sequence, or answers to many prompts at once. */

export interface SampleOptions {
  /** 0: greedy. */
  temperature: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetitionPenalty?: number;
  /** Uniform number in [0, 1) of this draw. */
  unit: number;
}

/**
 * One sequence being generated, with its key/value cache. While it is fed, `sample`, `logits` and `length` throw. It ends with its model, and
 * where its adapter is set anew or removed.
 */
export interface NativeGeneration {
  /** Runs new tokens through the network (a prompt, or one token); afterwards `sample` and `logits` speak of the last of them. */
  feed(tokens: Int32Array): Promise<void>;
  sample(options: SampleOptions): { id: number; logprob: number };
  /** (V,) of the last token fed. */
  logits(): Float32Array;
  readonly length: number;
  dispose(): void;
  [Symbol.dispose](): void;
}

export interface RolloutOptions {
  /** Ids of each prompt. */
  prompts: Int32Array[];
  /** Answers to each prompt; they share its cache. */
  samples?: number;
  maxNewTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  seed?: number;
  /** Ids that end an answer; the end is its last id. */
  ends?: Int32Array;
  /** Answers in flight at once. */
  mostActive?: number;
  adapter?: string | boolean;
}

export interface RolloutAnswer {
  /** Index of its prompt. */
  prompt: number;
  ids: Int32Array;
  /** Log-probability of each id under softmax(logits / temperature). */
  logprob: Float32Array;
  stop: 'running' | 'eos' | 'length' | 'cancelled';
}

/**
 * Answers to many prompts at once: answer p * samples + s is sample s of prompt p. The same answers whatever runs beside them. While it advances,
 * `answer` and `cancel` throw. It ends with its model, and where its adapter is set anew or removed.
 */
export interface NativeRollout {
  /** Makes at most `tokens` tokens for each answer in flight; false when all have ended. */
  advance(tokens: number): Promise<boolean>;
  answer(index: number): RolloutAnswer;
  /** Ends an answer whose text is complete; ids beyond `keep` are dropped. */
  cancel(index: number, keep: number): void;
  /** Number of answers. */
  readonly length: number;
  dispose(): void;
  [Symbol.dispose](): void;
}
