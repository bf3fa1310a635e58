/**
 * f-divergences other than the reverse KL (Wang et al. 2023, "Beyond reverse KL"): a log-ratio u becomes the score s = f'(e^u).
 *
 *     reverseKl u     forwardKl 1 - e^-u     jsDivergence log 2 + log σ(u)     alphaDivergence (e^((α - 1) u) - 1) / (α - 1)
 */

import type { DpoOptions } from './dpo_losses.js';
import { logSigmoid, sigmoid } from './logistic.js';

/** e^80 is the largest round power that single precision holds with room to multiply; beyond it the score stays where it is. */
const LARGEST = 80;

/** Score of a log-ratio, and its derivative. */
export function bent(u: number, { divergence, divergenceAlpha }: DpoOptions): readonly [score: number, slope: number] {
  switch (divergence) {
    case 'forwardKl':
      return powered(u, -1);
    case 'jsDivergence':
      return [Math.LN2 + logSigmoid(u), sigmoid(-u)];
    case 'alphaDivergence':
      return powered(u, divergenceAlpha - 1);
    default:
      return [u, 1];
  }
}

/** (e^(p u) - 1) / p, which is u for p = 0, and its derivative e^(p u). */
function powered(u: number, p: number): readonly [number, number] {
  if (Math.abs(p) < 1e-6) return [u, 1];
  if (p * u > LARGEST) return [Math.expm1(LARGEST) / p, 0];
  return [Math.expm1(p * u) / p, Math.exp(p * u)];
}
