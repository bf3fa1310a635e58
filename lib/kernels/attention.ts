import { callKernel, type KernelOptions, type Repeat } from './call.js';

interface HeadArguments extends Repeat {
  /** Query heads H. */
  heads: number;
  /** Key/value heads G; H is a multiple of it, and query head h reads key/value head h / (H / G). */
  kvHeads: number;
  /** d, 1 to 256. */
  headSize: number;
  /** Tokens that a query sees, itself included; 0 or absent: all. */
  window?: number;
  /** Factor on q . k; 1 / sqrt(d) where absent. */
  scale?: number;
  /** Scores become c tanh(score / c); 0 or absent: not. */
  softcap?: number;
  /** Numbers are rounded to this type first, and the results are of this type. Sums are fp32 (the reference: double). */
  dtype?: 'f32' | 'bf16';
}

export interface AttentionArguments extends HeadArguments {
  /** (N, H, d) row-major; all sequences end to end. */
  q: Float32Array;
  /** (N, G, d). */
  k: Float32Array;
  /** (N, G, d). */
  v: Float32Array;
  /** (S + 1) offsets, rising from 0 to N. */
  sequenceStarts: Int32Array;
  /** false: a query sees the keys behind it too. Default true. */
  causal?: boolean;
  /** (N, d/2) of each token's position: q and k are rotated before the product. Absent: they are taken as they are. */
  cos?: Float32Array;
  sin?: Float32Array;
  /** (N) place of each token in its own text, from 0 to one less than its sequence has tokens: a window counts these. Absent: its place in the sequence. */
  positions?: Int32Array;
  /**
   * (N) A query does not see the keys `hiddenFrom[i]` to `hiddenTo[i]` (excluded), counted in tokens of the batch. They lie in its sequence and leave
   * out the token itself; where both are equal, nothing is hidden. Absent: nothing is.
   */
  hiddenFrom?: Int32Array;
  hiddenTo?: Int32Array;
}

export interface AttentionResult {
  /** (N, H, d). */
  out: Float32Array;
  /** (H, N): natural logarithm of the sum of the exponentials of a query's scores. */
  lse: Float32Array;
  seconds?: number;
}

/**
 * softmax(scale q k^T) v over ragged sequences, without a score matrix in memory (FlashAttention, Dao et al. 2022).
 * Throws a RequestError with code `kernel_arguments` where a length or a number does not fit.
 */
export function attention(args: AttentionArguments, options?: KernelOptions) {
  return callKernel<AttentionResult>('attention', args, options);
}

export interface AttentionBackwardArguments extends AttentionArguments {
  /** (N, H, d): gradient of `out`. */
  dout: Float32Array;
}

export interface AttentionBackwardResult extends AttentionResult {
  /** (N, H, d). */
  dq: Float32Array;
  /** (N, G, d), summed over the query heads of a group. */
  dk: Float32Array;
  /** (N, G, d). */
  dv: Float32Array;
}

/** Gradients of q, k (before their rotation) and v. Runs the forward pass first, whose results come along; `seconds` is of the backward pass. */
export function attentionBackward(args: AttentionBackwardArguments, options?: KernelOptions) {
  return callKernel<AttentionBackwardResult>('attention_backward', args, options);
}

export interface AttentionDecodeArguments extends HeadArguments {
  /** (B, H, d): one query per row. */
  q: Float32Array;
  /** (T, G, d): keys and values that go into the cache first. */
  k: Float32Array;
  v: Float32Array;
  /** Pages of 32 tokens in the cache. */
  pageCount: number;
  /** (T,) where each key goes: page * 32 + place in the page. */
  slots: Int32Array;
  /** Pages per row of `pages`. */
  maxPages: number;
  /** (B, maxPages): the pages of each row's sequence, in order. */
  pages: Int32Array;
  /** (B,) tokens of each sequence; the query is the last of them and sees all. 0: the row gives zero. */
  lengths: Int32Array;
  /** (B, d/2) for the queries. */
  cos?: Float32Array;
  sin?: Float32Array;
  /** (T, d/2) for the keys. */
  keyCos?: Float32Array;
  keySin?: Float32Array;
}

/** Generation: appends keys and values to a paged cache, then lets one query per row attend to its sequence. `seconds` is of the latter. */
export function attentionDecode(args: AttentionDecodeArguments, options?: KernelOptions) {
  return callKernel<{ out: Float32Array; seconds?: number }>('attention_decode', args, options);
}
