/** How near a merged model is to its base with the adapter: logits of the same tokens compared. */
import type { Adapter } from '../checkpoint/adapter.js';
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../checkpoint/native_model.js';
import { Random } from '../data/index.js';
import { addon, type DType, type NativeModel, type NetworkConfig } from '../native.js';

export interface Parity {
  /** Largest absolute difference of two logits. */
  maxLogitDifference: number;
  /** Mean over positions of the Kullback-Leibler divergence of the merged model's distribution from the adapter's, in nats. */
  kl: number;
  /** Share of positions (0 to 1) at which both find the same token likeliest. */
  greedyMatch: number;
}

interface Probe {
  tokens: Int32Array;
  starts: Int32Array;
}

/** Sequences and tokens of each: enough positions to see a wrong scale or a lost tensor, few enough for any vocabulary. */
const SEQUENCES = 3;
const LENGTH = 24;

/** Compares base + adapter with the merged folder on tokens drawn from the whole vocabulary. One of both models is in memory at a time. */
export async function parityOf(
  base: ModelFolder,
  adapter: Adapter,
  mergedFolder: string,
  threads: number | 'auto' = 'auto',
): Promise<Parity> {
  const probe = probeTokens(base.config);
  const dtype = fittingType(base.config);
  const adapted = await logitsOf(base, dtype, threads, probe, adapter);
  const merged = await logitsOf(await openModelFolder(mergedFolder), dtype, threads, probe);
  return compareLogits(adapted, merged, base.config.vocabulary);
}

/** f32, which shows every difference, where the machine has the memory for it. */
function fittingType(config: NetworkConfig): DType {
  const options = {
    config,
    dtype: 'f32',
    threads: 0,
    train: 'none',
    recomputeActivations: false,
    tokens: SEQUENCES * LENGTH,
    rank: 0,
  } as const;
  const { fixed, activations } = addon().planMemory(options);
  return fixed + activations < 0.8 * process.availableMemory() ? 'f32' : 'bf16';
}

/** Random tokens: they reach every part of the vocabulary, and no tokenizer is needed. */
function probeTokens({ vocabulary }: NetworkConfig): Probe {
  const random = new Random(20);
  const tokens = Int32Array.from({ length: SEQUENCES * LENGTH }, () => random.below(vocabulary));
  return { tokens, starts: Int32Array.from({ length: SEQUENCES + 1 }, (_, n) => n * LENGTH) };
}

async function logitsOf(
  folder: ModelFolder,
  dtype: DType,
  threads: number | 'auto',
  probe: Probe,
  adapter?: Adapter,
): Promise<Float32Array> {
  const native: NativeModel = await loadNative(folder, { dtype, threads });
  try {
    if (adapter !== undefined) await native.setAdapter(nativeAdapter(adapter));
    return await native.logits(probe.tokens, probe.starts);
  } finally {
    native.dispose();
  }
}

/** @param vocabulary V of both, (N, V) row-major */
export function compareLogits(one: Float32Array, other: Float32Array, vocabulary: number): Parity {
  const positions = one.length / vocabulary;
  let [maxLogitDifference, kl, matches] = [0, 0, 0];
  for (let n = 0; n < positions; n++) {
    const [a, b] = [one.subarray(n * vocabulary, (n + 1) * vocabulary), other.subarray(n * vocabulary, (n + 1) * vocabulary)];
    const [left, right] = [facts(a), facts(b)];
    for (let v = 0; v < vocabulary; v++) {
      const [x, y] = [a[v] as number, b[v] as number];
      maxLogitDifference = Math.max(maxLogitDifference, Math.abs(x - y));
      kl += Math.exp(x - left.lse) * (x - left.lse - (y - right.lse));
    }
    if (left.best === right.best) matches++;
  }
  // A sum of terms of both signs may come out a rounding below zero.
  return { maxLogitDifference, kl: Math.max(0, kl / positions), greedyMatch: matches / positions };
}

function facts(logits: Float32Array): { best: number; lse: number } {
  let best = 0;
  for (let v = 1; v < logits.length; v++) if ((logits[v] as number) > (logits[best] as number)) best = v;
  const top = logits[best] as number;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - top);
  return { best, lse: top + Math.log(sum) };
}
