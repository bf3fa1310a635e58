// The step that `train` measures, on sequences of random ids.
import { addon, type DType, type NativeModel, type NetworkConfig } from '../../lib/native.js';
import type { Program, Took } from '../sides/side.js';

export interface TrainWork {
  dtype: DType;
  threads: number;
  sequences: number;
  length: number;
  rank: number;
  /** Folder of a real checkpoint; without it the weights are random. */
  model?: string;
  network: NetworkConfig;
}

/** The batch of every step: random ids, every token but the first of a sequence predicted. */
export function batchOf(vocabulary: number, sequences: number, length: number) {
  const tokens = Int32Array.from({ length: sequences * length }, (_, i) => (i * 7919 + ((i * i) % 4093) * 31) % vocabulary);
  const sequenceStarts = Int32Array.from({ length: sequences + 1 }, (_, s) => s * length);
  const targets = tokens.map((_, i) => ((i + 1) % length ? tokens[i + 1]! : -1));
  return { tokens, sequenceStarts, targets };
}

/** Forward, backward, gradient norm, clipping and AdamW. */
export async function trainStep(model: NativeModel, batch: ReturnType<typeof batchOf>, n: number): Promise<Took & { loss: number }> {
  const start = performance.now();
  const { logprob } = await model.forward(batch, { keep: true });
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1 / logprob.length) });
  const scale = Math.min(1, 1 / (await model.gradientNorm()));
  await model.step({ learningRate: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, scale, step: n });
  return { seconds: (performance.now() - start) / 1000, loss: -logprob.reduce((a, b) => a + b, 0) / logprob.length };
}

/** attune in this process, by turns with others: between its steps its threads sleep. `losses` is given the loss of each step. */
export function trainProgram(model: NativeModel, { network, sequences, length }: TrainWork, losses: number[]): Program {
  const batch = batchOf(network.vocabulary, sequences, length);
  const nothing = () => undefined;
  return {
    name: 'attune',
    ready: async () => ({}),
    step: async () => {
      const took = await trainStep(model, batch, losses.length + 1);
      losses.push(took.loss);
      return took;
    },
    end: async () => addon().residentMemory().peak / 2 ** 20,
    pause: nothing,
    resume: nothing,
    stop: nothing,
  };
}
