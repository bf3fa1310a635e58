/**
 * Estimates of the KL between policy π and reference π_ref from sampled tokens (Schulman 2020, "Approximating KL divergence"), and the coefficient
 * that follows a target (Ziegler et al. 2019, "Fine-tuning language models from human preferences", section 2.2).
 *
 *     d = log π_ref - log π      k1 = -d (unbiased)      k3 = e^d - 1 - d (unbiased, never negative, of less variance)
 */

export type Estimator = 'k1' | 'k3';

/** Estimate of one token. */
export const klOf = (estimator: Estimator, logprob: number, reference: number) =>
  estimator === 'k1' ? logprob - reference : Math.expm1(reference - logprob) - (reference - logprob);

/** Most that the error of one step counts for, as in the paper. */
const LARGEST_ERROR = 0.2;

/** β ← β (1 + gain × e) with e = (KL - target) / target, cut at ± 0.2. `kl` and `target` are means a token. */
export function nextCoefficient(coefficient: number, kl: number, target: number, gain: number): number {
  const error = Math.min(LARGEST_ERROR, Math.max(-LARGEST_ERROR, (kl - target) / target));
  return coefficient * (1 + gain * error);
}
