// The passes of a PPO step, by who makes them: policy, value, reference and reward model, on one base together or each on one of its own.
import { addon, type DType, type ForwardBatch, type NativeModel, type NetworkConfig, type StoredTensor } from '../../lib/native.js';
import { promptsOf, type RolloutWork } from '../rollout/work.js';
import type { Worker } from '../sides/serve.js';
import { freshAdapter } from '../weights.js';

export const ROLES = ['policy', 'value', 'reference', 'reward'] as const;
export type Role = (typeof ROLES)[number];

export interface PpoWork extends Omit<RolloutWork, 'samples'> {
  network: NetworkConfig;
  dtype: DType;
  rank: number;
}

/** Answers as the others read them: each prompt with as many tokens as an answer has. */
function answered(work: PpoWork): ForwardBatch {
  const length = work.promptLength + work.newTokens;
  const rows = promptsOf({ ...work, samples: 1, promptLength: length });
  const tokens = Int32Array.from(rows.flatMap((row) => [...row]));
  const sequenceStarts = Int32Array.from({ length: rows.length + 1 }, (_, n) => n * length);
  const targets = tokens.map((_, i) =>
    (i % length) + 1 < length && (i % length) + 1 >= work.promptLength ? (tokens[i + 1] as number) : -1,
  );
  return { tokens, sequenceStarts, targets };
}

const STEP = { learningRate: 1e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, scale: 1, step: 1 };

/** A worker whose step makes the passes of some roles, over one base. */
export async function ppoWorker(work: PpoWork, tensors: StoredTensor[], roles: readonly Role[]): Promise<Worker & { native: NativeModel }> {
  const { network: config, dtype, threads, rank } = work;
  const native = await addon().loadModel({ config, tensors, dtype, threads, train: 'adapter', recomputeActivations: false });
  for (const name of roles) {
    const train = name === 'policy' || name === 'value';
    await native.setAdapter({ name, train, scale: 2, dropout: 0, targets: freshAdapter(config, rank) });
    if (name === 'value' || name === 'reward') await native.setHead(new Float32Array(config.hidden).fill(0.01), name);
  }
  const batch = answered(work);
  const none = batch.targets.map(() => -1);
  const predicting = Int32Array.from(batch.targets.keys()).filter((i) => (batch.targets[i] as number) >= 0);
  const passes: Record<Role, () => Promise<void>> = {
    policy: async () => {
      const options = { maxNewTokens: work.newTokens, temperature: 1, adapter: 'policy' };
      const rollout = native.startRollout({ prompts: promptsOf({ ...work, samples: 1 }), samples: 1, ...options });
      while (await rollout.advance(work.newTokens));
      rollout.dispose();
      const { logprob } = await native.forward(batch, { keep: true, adapter: 'policy', entropy: true });
      await native.backward({ logprob: logprob.map(() => 1e-3) });
      await native.step(STEP, 'policy');
    },
    value: async () => {
      const { score } = await native.forward({ ...batch, targets: none, scoreRows: predicting }, { keep: true, adapter: 'value' });
      await native.backward({ logprob: new Float32Array(0), score: (score as Float32Array).map(() => 1e-3) });
      await native.step(STEP, 'value');
    },
    reference: async () => void (await native.forward(batch, { adapter: 'reference' })),
    reward: async () => {
      const scoreRows = batch.sequenceStarts.subarray(1).map((end) => end - 1);
      await native.forward({ ...batch, targets: none, scoreRows }, { adapter: 'reward' });
    },
  };
  const step = async () => {
    for (const role of roles) await passes[role]();
    const { weights = 0 } = native.memory();
    return { weightsMiB: weights / 2 ** 20 };
  };
  return { native, step };
}
