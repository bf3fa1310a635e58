/**
 * Cross-entropy over trained tokens, with label smoothing ε (Szegedy et al. 2016) and z-loss ζ (Chowdhery et al. 2022, PaLM). A token with
 * log-probability ℓ, log-sum-exp s and mean logit m over the vocabulary costs
 *
 *     L = (1 - ε) (-ℓ) + ε (s - m) + ζ s²
 *
 * as s - m is the mean of -log p over the whole vocabulary. The step's loss is Σ L / trained tokens of the step. Gradients by ℓ, s and m, each
 * with the others held fixed: -(1 - ε), ε + 2 ζ s and -ε, divided by the same number. With ε = ζ = 0 only ℓ is needed.
 */
import type { LossInput, LossOutput, Output } from '../method.js';

export interface CrossEntropyOptions {
  /** ε, from 0 to below 1. */
  labelSmoothing: number;
  /** ζ, at least 0. */
  zLoss: number;
}

/** Figures that the loss reads beside the log-probability. */
export function crossEntropyOutputs({ labelSmoothing, zLoss }: CrossEntropyOptions): Output[] {
  if (labelSmoothing > 0) return ['lse', 'mean'];
  return zLoss > 0 ? ['lse'] : [];
}

/** Sum over the micro-batch, and its gradient. */
export function crossEntropy(input: LossInput, options: CrossEntropyOptions): LossOutput {
  const { logprob, divisor } = input;
  const { labelSmoothing: e } = options;
  const gradient = { logprob: new Float32Array(logprob.length).fill(-(1 - e) / divisor) };
  let nll = 0;
  for (const value of logprob) nll -= value;
  if (crossEntropyOutputs(options).length === 0) return { lossSum: nll, gradient, metrics: {} };
  const extra = regularised(input, options);
  const metrics = { nll: { sum: nll, count: logprob.length } }; // the loss is no longer the nats that evaluations report
  return { lossSum: (1 - e) * nll + extra.sum, gradient: { ...gradient, ...extra.gradient }, metrics };
}

function regularised({ lse = NONE, mean = NONE, divisor }: LossInput, { labelSmoothing: e, zLoss }: CrossEntropyOptions) {
  const byLse = Float32Array.from(lse, (s) => (e + 2 * zLoss * s) / divisor);
  let sum = 0;
  for (const s of lse) sum += e * s + zLoss * s * s;
  if (e === 0) return { sum, gradient: { lse: byLse } };
  for (const m of mean) sum -= e * m;
  return { sum, gradient: { lse: byLse, mean: new Float32Array(mean.length).fill(-e / divisor) } };
}

const NONE = new Float32Array(0);
