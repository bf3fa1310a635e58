// Answers to prompts of random ids, as a run with rollouts has them made.
import { addon, type DType, type NativeModel, type NetworkConfig, type StoredTensor } from '../../lib/native.js';
import type { Worker } from '../sides/serve.js';

export interface RolloutWork {
  network: NetworkConfig;
  dtype: DType;
  threads: number;
  prompts: number;
  samples: number;
  promptLength: number;
  newTokens: number;
}

/** New tokens of one step. */
export const newTokens = (work: RolloutWork) => work.prompts * work.samples * work.newTokens;

export const promptsOf = ({ prompts, promptLength, network }: RolloutWork): Int32Array[] =>
  Array.from({ length: prompts }, (_, p) =>
    Int32Array.from({ length: promptLength }, (_, i) => ((p * promptLength + i) * 7919 + ((i * i) % 4093) * 31) % network.vocabulary),
  );

export async function rolloutWorker(work: RolloutWork, tensors: StoredTensor[]): Promise<Worker & { native: NativeModel }> {
  const { network: config, dtype, threads, samples, newTokens: maxNewTokens } = work;
  const native = await addon().loadModel({ config, tensors, dtype, threads, train: 'none', recomputeActivations: false });
  const prompts = promptsOf(work);
  let seed = 0;
  const step = async () => {
    const rollout = native.startRollout({ prompts, samples, maxNewTokens, temperature: 1, seed: seed++ });
    while (await rollout.advance(maxNewTokens));
    const made = Array.from({ length: rollout.length }, (_, n) => rollout.answer(n).ids.length).reduce((a, b) => a + b, 0);
    rollout.dispose();
    return { made };
  };
  return { native, step };
}
