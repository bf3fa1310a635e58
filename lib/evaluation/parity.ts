/** How near a merged model is to its base with the adapter: logits of the same tokens compared. */
import type { Adapter } from '../checkpoint/adapter.js';
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../checkpoint/native_model.js';
import { UNIT_ROUNDOFF } from '../checkpoint/numbers.js';
import { Random } from '../data/index.js';
import { addon, type DType, type NativeModel, type NetworkConfig, type StoredType } from '../native.js';

export interface Parity {
  /** Largest absolute difference of two logits. */
  maxLogitDifference: number;
  /** Mean over positions of the Kullback-Leibler divergence of the merged model's distribution from the adapter's, in nats. */
  kl: number;
  /** Share of positions (0 to 1) at which both find the same token likeliest. */
  greedyMatch: number;
}

/** A comparison with its judgement. */
export interface JudgedParity extends Parity {
  /** The largest difference of two logits that rounding explains. */
  bound: number;
  /** Whether the difference found is within it. */
  good: boolean;
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
): Promise<JudgedParity> {
  const probe = probeTokens(base.config);
  const dtype = fittingType(base.config);
  const adapted = await logitsOf(base, dtype, threads, probe, adapter);
  const folder = await openModelFolder(mergedFolder);
  const merged = await logitsOf(folder, dtype, threads, probe);
  const { config } = base;
  const parity = compareLogits(adapted, merged, config.vocabulary);
  const stored = roundedLinears(base, adapter, folder);
  const bound =
    dtype === 'bf16'
      ? roundingBound({ config, logits: adapted, dtype, ...stored })
      : measuredBound(adapted, await logitsOf(base, 'bf16', threads, probe, adapter), stored.stored, config);
  return { ...parity, bound, good: parity.maxLogitDifference <= bound };
}

/**
 * The largest difference of logits that rounding explains, from what it makes in this very model: t d e / u.
 * t: `TAIL` of the number type of the merged tensors. d: largest difference between the logits of f32 and of bf16
 * arithmetic, whose unit roundoff is u, with the same weights; real models have channels that make more of an error
 * than a mean over all tells. e: roundoff of the merged weights, and of sums of `inner` products in f32.
 */
export function measuredBound(
  logits: Float32Array,
  inBf16: Float32Array,
  stored: StoredType,
  { vocabulary, inner }: Pick<NetworkConfig, 'vocabulary' | 'inner'>,
): number {
  const { maxLogitDifference } = compareLogits(logits, inBf16, vocabulary);
  const error = Math.hypot(UNIT_ROUNDOFF[stored], UNIT_ROUNDOFF.f32 * Math.sqrt(inner));
  return TAIL[stored] * maxLogitDifference * (error / UNIT_ROUNDOFF.bf16);
}

interface Rounding {
  config: NetworkConfig;
  /** (N, V) of the model that is right. */
  logits: Float32Array;
  /** Arithmetic of both models. */
  dtype: DType;
  /** Coarsest number type of the merged tensors. */
  stored: StoredType;
  /** Linear layers whose weights were rounded to it. */
  rounded: number;
}

/** Linear layers of a block. */
const LINEARS = 7;

/** What merging rounded: the adapter's layers, or all of them where the base has another number type. */
function roundedLinears(base: ModelFolder, adapter: Adapter, { tensors }: ModelFolder): Pick<Rounding, 'stored' | 'rounded'> {
  const types = [...new Set(tensors.map(({ stored }) => stored))];
  const stored = types.reduce((one, other) => (UNIT_ROUNDOFF[other] > UNIT_ROUNDOFF[one] ? other : one));
  const isSame = tensors.every((tensor, n) => tensor.stored === base.tensors[n]?.stored);
  return { stored, rounded: isSame ? adapter.targets.length : LINEARS * base.config.layers };
}

/**
 * Above a measured difference: the largest of few hundred positions has a heavy tail, and d is itself one draw of it. Right merges came to these
 * multiples of d e / u (a model of 260 K parameters with four random adapters in each type; SmolLM2 with four in f32, two in f16, a trained one in bf16):
 * f32: 0.06 to 1.5, and once 5.5 on SmolLM2; f16: 0.11 to 0.74; bf16: 0.48 to 0.73. Rounding of stored weights in 16 bits is alike to that of bf16
 * arithmetic, sums in f32 are not. Four times the largest of the 16-bit ones; 8 there would let a trained adapter that moves logits by 14 be lost
 * (a bound of 15.5), and 3 does not (5.8). For f32 the largest one and half of it again.
 */
const TAIL: Record<StoredType, number> = { f32: 8, f16: 3, bf16: 3 };

/** Above the expected error: what comes by chance. */
const MARGIN = 2;

/**
 * The same where there is memory for bf16 alone, from the formula: 2 S √(m w² + n s²) √(2 ln 2NV).
 * w: error of a linear layer's output, relative to it, where its weights are rounded: u / √6 for unit roundoff u, as a mantissa in [1, 2) errs by up to u
 * and 1/m² is ½ in the mean; m layers are rounded. s: that of its sums in f32, u √inner; in bf16 inputs and outputs are rounded as well, in both models;
 * n: all linear layers. Errors of layers are independent and add in squares. S: root mean square of the logits around each position's mean. √(2 ln 2NV):
 * how far the largest of NV normal errors lies from zero, in deviations.
 */
export function roundingBound({ config, logits, dtype, stored, rounded }: Rounding): number {
  const { layers, inner, vocabulary } = config;
  const weights = (UNIT_ROUNDOFF[stored] / Math.sqrt(6)) * Math.sqrt(rounded);
  const sums = (dtype === 'f32' ? UNIT_ROUNDOFF.f32 * Math.sqrt(inner) : 2 * UNIT_ROUNDOFF.bf16) * Math.sqrt(LINEARS * layers);
  const largest = Math.sqrt(2 * Math.log(2 * logits.length));
  return MARGIN * spreadOf(logits, vocabulary) * Math.hypot(weights, sums) * largest;
}

/** Root mean square of logits (N, V) around the mean of their position. */
function spreadOf(logits: Float32Array, vocabulary: number): number {
  let squares = 0;
  for (let at = 0; at < logits.length; at += vocabulary) {
    const row = logits.subarray(at, at + vocabulary);
    const mean = row.reduce((sum, value) => sum + value, 0) / vocabulary;
    for (const value of row) squares += (value - mean) ** 2;
  }
  return Math.sqrt(squares / logits.length);
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
