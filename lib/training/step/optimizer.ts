/** One update of the optimiser. */
import type { NativeModel } from '../../native.js';
import type { Recipe } from '../../recipe/index.js';

export interface Move {
  /** From 1, over the whole run: AdamW's means are corrected by it. */
  update: number;
  learningRate: number;
}

/**
 * Moves the weights of some sets by the gradients that are there, clipped together.
 * @param sets names of adapters; undefined: the policy, or the base where all weights are trained
 * @returns L2 over all their tensors, before clipping; where it is no number nothing is moved
 */
export async function moveWeights(
  native: NativeModel,
  { clip, weightDecay, betas }: Recipe['train'],
  sets: readonly (string | undefined)[],
  { update, learningRate }: Move,
): Promise<number> {
  const norms: number[] = [];
  for (const set of sets) norms.push(await native.gradientNorm(set));
  const norm = norms.length === 1 ? (norms[0] as number) : Math.sqrt(norms.reduce((sum, one) => sum + one * one, 0));
  if (!Number.isFinite(norm)) return norm;
  const scale = clip > 0 ? Math.min(1, clip / norm) : 1;
  for (const set of sets)
    await native.step({ learningRate, beta1: betas[0], beta2: betas[1], eps: 1e-8, weightDecay, scale, step: update }, set);
  return norm;
}
