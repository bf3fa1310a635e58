// A step of DPO, or of a policy gradient over groups of answers, as a run takes it: the project's own step, on rows of random ids.

import type { Tokens, Unit } from '../../lib/data/index.js';
import { methodOptions } from '../../lib/methods/index.js';
import { allOf } from '../../lib/model/batches.js';
import { addon, type DType, type NativeModel, type NetworkConfig, type StoredTensor } from '../../lib/native.js';
import type { Recipe } from '../../lib/recipe/index.js';
import { computeKnown } from '../../lib/training/reference/cache.js';
import { type StepSetting, takeStep } from '../../lib/training/step/step.js';
import type { Worker } from '../sides/serve.js';
import { freshAdapter } from '../weights.js';

export interface MethodWork {
  network: NetworkConfig;
  dtype: DType;
  threads: number;
  rank: number;
  /** Pairs, or groups. */
  units: number;
  /** Sequences of a unit: 2 of a pair. */
  members: number;
  /** Tokens that all sequences of a unit begin with, and tokens of each answer. */
  prompt: number;
  answer: number;
  /** Whether the peer computes activations again in its backward pass (TRL's default) or keeps them. */
  checkpointing: boolean;
}

export interface Way {
  /** Compute what the sequences of a unit begin with once. */
  shared: boolean;
  /** `every step`: the reference pass is part of the step; `cached`: computed once before. */
  reference: 'every step' | 'cached';
}

/** Tokens of a step, as the user gave them: every sequence whole. */
export const stepTokens = ({ units, members, prompt, answer }: MethodWork) => units * members * (prompt + answer);

/** Rows of random ids. Pairs are one chosen and one rejected answer; a larger unit is a ranking. */
export function rowsOf({
  units,
  members,
  prompt,
  answer,
  network,
}: Omit<MethodWork, 'dtype' | 'threads' | 'rank' | 'checkpointing'>): Tokens[] {
  const id = (u: number, m: number, i: number) =>
    (u * 104729 + (i < prompt ? 0 : m * 15485863) + i * 7919 + ((i * i) % 4093) * 31) % network.vocabulary;
  const length = prompt + answer;
  const ranks = Array.from({ length: members }, (_, rank) => rank);
  // Sequences belong together by sharing their unit itself.
  const unit = (number: number): Unit => ({ kind: members === 2 ? 'pair' : 'ranking', number, rows: 1, ranks, margin: 0, columns: {} });
  const all = Array.from({ length: units }, (_, u) => unit(u));
  return Array.from({ length: units * members }, (_, n) => {
    const [u, member] = [Math.floor(n / members), n % members];
    return {
      ids: Int32Array.from({ length }, (_, i) => id(u, member, i)),
      trained: Uint8Array.from({ length }, (_, i) => Number(i >= Math.max(1, prompt))),
      trainedTokens: length - Math.max(1, prompt),
      promptLength: prompt,
      unit: all[u]!,
      member,
      ...{ file: 'bench', line: n + 1, source: 0, share: 0 },
    };
  });
}

export async function methodWorker(work: MethodWork, tensors: StoredTensor[], way: Way): Promise<Worker & { native: NativeModel }> {
  const { network: config, dtype, threads, rank } = work;
  const native = await addon().loadModel({ config, tensors, dtype, threads, train: 'adapter', recomputeActivations: false });
  await native.setAdapter({ scale: 2, dropout: 0, targets: freshAdapter(config, rank) });
  if (!way.shared) native.sharesBeginnings = false;
  const sequences = rowsOf(work);
  const train = { clip: 1, weightDecay: 0, betas: [0.9, 0.999], seed: 0, maxLength: work.prompt + work.answer };
  const recipe = { method: methodOptions.dpo.parse({ name: 'dpo' }), train } as unknown as Recipe;
  const microBatchTokens = stepTokens(work);
  const reference = { native, adapter: false } as const;
  const known = way.reference === 'cached' ? await computeKnown(reference, sequences, microBatchTokens) : undefined;
  const setting: StepSetting = { native, recipe, microBatchTokens, dropout: 0, sequences, reference, ...(known && { known }) };
  let n = 0;
  const step = async () => {
    const { event } = await takeStep(setting, ++n, allOf(sequences), 1e-4, {});
    return { loss: event.loss };
  };
  return { native, step };
}
