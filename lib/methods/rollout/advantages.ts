/**
 * How much better than expected an answer or a token was.
 * Symbols: T tokens of an answer, S answers, r reward, V value, γ discount, λ of GAE.
 */
import { groupStarts } from '../columns.js';
import { meanOf, varianceOf } from '../statistics.js';

/**
 * Generalised advantage estimation (Schulman et al. 2015) of one answer, (T) each:
 *
 *     A_t = Σ_k (γ λ)^k δ_{t+k}      δ_t = r_t + γ V_{t+1} - V_t      V_T = 0: after the last token there is nothing
 */
export function generalisedAdvantages(rewards: Float64Array, values: ArrayLike<number>, gamma: number, lambda: number): Float64Array {
  const advantages = new Float64Array(rewards.length);
  let [later, next] = [0, 0];
  for (let t = rewards.length - 1; t >= 0; t--) {
    later = rewards[t]! + gamma * next - values[t]! + gamma * lambda * later;
    next = values[t]!;
    advantages[t] = later;
  }
  return advantages;
}

/** Keeps an advantage finite where all rewards of a group are equal; TRL's number. */
const LEAST_DEVIATION = 1e-4;

/**
 * (S) reward less the mean of the prompt's answers, divided by their deviation (`group`), by that of all answers of the step (`batch`), or by nothing
 * (Shao et al. 2024, GRPO; Liu et al. 2025, "Understanding R1-Zero-like training"). Deviations are unbiased.
 */
export function groupAdvantages(reward: Float64Array, group: Int32Array, scale: 'group' | 'batch' | 'none'): Float64Array {
  const deviation = (values: Float64Array) => (scale === 'none' ? 1 : Math.sqrt(varianceOf(values)) + LEAST_DEVIATION);
  return perGroup(reward, group, (own) => {
    const [mean, divisor] = [meanOf(own), deviation(scale === 'batch' ? reward : own)];
    return own.map((one) => (one - mean) / divisor);
  });
}

/** (S) reward less the mean of the prompt's other answers (Ahmadian et al. 2024, RLOO). An answer without others gets 0. */
export function leaveOneOut(reward: Float64Array, group: Int32Array): Float64Array {
  return perGroup(reward, group, (own) => {
    const [mean, size] = [meanOf(own), own.length];
    return own.map((one) => (size < 2 ? 0 : ((one - mean) * size) / (size - 1)));
  });
}

function perGroup(reward: Float64Array, group: Int32Array, f: (own: Float64Array) => Float64Array): Float64Array {
  const [starts, found] = [groupStarts(group), new Float64Array(reward.length)];
  for (let g = 0; g + 1 < starts.length; g++) found.set(f(reward.slice(starts[g]!, starts[g + 1]!)), starts[g]!);
  return found;
}
