/**
 * What a method is. The native side gives one log-probability a trained token (and, on request, more figures of the same token); a method is
 * a pure function from those to a sum of losses and its gradient. Symbols: N trained tokens of a micro-batch.
 */
import type * as z from 'zod';
import type { MethodName } from '../options/index.js';

/** Figures beside the log-probability: log-sum-exp of the logits, entropy, and mean logit over the vocabulary. */
export type Output = 'lse' | 'entropy' | 'mean';

/** What a method asks of the rows and of the run. */
export interface Needs {
  /** Shapes of rows that it takes. */
  rows: readonly ('text' | 'prompt' | 'instruction' | 'chat')[];
  /** Which tokens are trained: all but a row's first, or the answers. */
  trained: 'all' | 'answers';
}

/** A step as a whole, known before its first micro-batch. */
export interface StepCounts {
  trainedTokens: number;
  sequences: number;
}

/** One micro-batch, as the native side computed it. */
export interface LossInput {
  /** (N) log-probability of each trained token, in order of the batch. */
  logprob: Float32Array;
  /** (N) each, where the method's `outputs` asks for it. */
  lse?: Float32Array;
  entropy?: Float32Array;
  mean?: Float32Array;
  /** What the sums of the whole step are divided by. */
  divisor: number;
}

/** A figure for the step's event: its mean is sum / count over all micro-batches. */
export interface Metric {
  sum: number;
  count: number;
}

/** What a micro-batch comes to: sums, never means. Gradients are already divided by the step's divisor. */
export interface LossOutput {
  /** Sum of the losses, not divided. */
  lossSum: number;
  /** (N) each: derivative of lossSum / divisor by each figure, the others held fixed. */
  gradient: { logprob: Float32Array } & Partial<Record<Output, Float32Array>>;
  metrics: Record<string, Metric>;
}

/** A training method. `Options` is what its schema gives. */
export interface Method<Options = unknown> {
  readonly name: MethodName;
  /** One sentence: what it does and when to take it. */
  readonly summary: string;
  readonly needs: Needs;
  readonly options: z.ZodType<Options>;
  /** Figures that `loss` reads beside the log-probability. */
  outputs(options: Options): Output[];
  /** The one divisor of a step. */
  divisor(step: StepCounts): number;
  loss(input: LossInput, options: Options): LossOutput;
}

/** The step's loss and metrics from all its micro-batches. */
export function stepTotals(parts: readonly LossOutput[], divisor: number): { loss: number; metrics: Record<string, number> } {
  const sums = new Map<string, Metric>();
  let lossSum = 0;
  for (const part of parts) {
    lossSum += part.lossSum;
    for (const [name, { sum, count }] of Object.entries(part.metrics)) {
      const before = sums.get(name) ?? { sum: 0, count: 0 };
      sums.set(name, { sum: before.sum + sum, count: before.count + count });
    }
  }
  const metrics = Object.fromEntries(Array.from(sums, ([name, { sum, count }]) => [name, sum / count]));
  return { loss: lossSum / divisor, metrics };
}
