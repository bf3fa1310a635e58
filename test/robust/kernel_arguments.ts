/**
 * Arguments that each kernel takes, of random small shapes: what the fuzzer bends, and what tests of every kernel ask alike.
 */
import * as kernels from '../../lib/kernels/index.js';
import { choices, floats as f, ids, type Random } from './random.js';

export type Arguments = Record<string, unknown>;
type Make = (r: Random) => Arguments;

const SIZES = [1, 2, 3, 7, 16, 31, 32, 33, 40];
const size = (r: Random) => r.pick(SIZES);
const dtype = (r: Random) => r.pick(['f32', 'bf16', undefined]);
const rows = (r: Random) => r.pick([0, 1, 2, 5, 31, 33, 40]);
/** Now and then there. */
const perhaps = <T>(r: Random, value: () => T) => (r.chance(0.4) ? value() : undefined);
const SCALING = { base: 1e4, factor: 2, originalContext: 64, context: 64 };
const KINDS = ['default', 'linear', 'dynamic', 'llama3', 'yarn'];
const ISAS = ['reference', 'avx2', 'avx512', 'amx'];
const ACTIVATIONS = [undefined, 'silu', 'gelu', 'gelu_tanh'];

/** Offsets of sequences of one to nine tokens. */
export function starts(tokens: number, r: Random): Int32Array {
  const at = [0];
  while (at.at(-1)! < tokens) at.push(Math.min(tokens, at.at(-1)! + 1 + r.below(9)));
  return Int32Array.from(at);
}

/** Places and hidden keys that attention takes: a token sees itself and is of its own sequence. */
export function hiddenKeys(at: Int32Array, r: Random) {
  const tokens = at.at(-1)!;
  const [positions, from, to] = [new Int32Array(tokens), new Int32Array(tokens), new Int32Array(tokens)];
  for (let s = 0; s + 1 < at.length; s++)
    for (let i = at[s]!; i < at[s + 1]!; i++) {
      positions[i] = r.below(at[s + 1]! - at[s]!);
      from[i] = at[s]! + r.below(i - at[s]! + 1);
      to[i] = from[i]! + r.below(i - from[i]! + 1);
    }
  return { positions, hiddenFrom: from, hiddenTo: to };
}

function attention(r: Random) {
  const kvHeads = r.pick([1, 2]);
  const [heads, headSize, N] = [kvHeads * r.pick([1, 2, 3]), r.pick([1, 2, 3, 6, 16, 64, 100, 256]), r.below(40)];
  const sequenceStarts = starts(N, r);
  const turned = headSize % 2 === 0 && r.chance(0.4);
  return {
    ...{ heads, kvHeads, headSize, sequenceStarts, causal: r.pick([true, false, undefined]), dtype: dtype(r) },
    ...{ window: r.pick([undefined, 0, 1, 5]), softcap: r.pick([undefined, 5]) },
    ...{ q: f(N * heads * headSize, r), k: f(N * kvHeads * headSize, r), v: f(N * kvHeads * headSize, r) },
    ...(turned && { cos: f((N * headSize) / 2, r), sin: f((N * headSize) / 2, r) }),
    ...(r.chance(0.3) && hiddenKeys(sequenceStarts, r)),
  };
}

/** `count` places below `most` (32, 64, 96 or 128), none twice: no step has a factor in common with it. */
function distinct(count: number, most: number, r: Random): Int32Array {
  const [first, step] = [r.below(most), r.pick([1, 5, 7])];
  return Int32Array.from({ length: count }, (_, n) => (first + n * step) % most);
}

function attentionDecode(r: Random) {
  const kvHeads = r.pick([1, 2]);
  const [heads, headSize] = [kvHeads * r.pick([1, 2]), r.pick([2, 16, 64, 256])];
  const [B, T, pageCount, maxPages] = [r.below(5), r.below(20), 1 + r.below(4), 1 + r.below(3)];
  const turned = r.chance(0.3);
  return {
    ...{ heads, kvHeads, headSize, pageCount, maxPages, dtype: dtype(r) },
    ...{ q: f(B * heads * headSize, r), k: f(T * kvHeads * headSize, r), v: f(T * kvHeads * headSize, r) },
    ...{
      slots: distinct(T, pageCount * 32, r),
      pages: ids(B * maxPages, pageCount, r),
      lengths: ids(B, maxPages * 32 + 1, r),
    },
    ...{ window: r.pick([undefined, 0, 3]), softcap: r.pick([undefined, 5]) },
    ...(turned && { cos: f((B * headSize) / 2, r), sin: f((B * headSize) / 2, r) }),
    ...(turned && { keyCos: f((T * headSize) / 2, r), keySin: f((T * headSize) / 2, r) }),
  };
}

function layerNorm(r: Random) {
  const [count, M] = [size(r), rows(r)];
  return { x: f(M * count, r), weight: f(count, r), bias: perhaps(r, () => f(count, r)), eps: 1e-5, dtype: dtype(r) };
}
function rmsNorm(r: Random) {
  const [count, groups, M] = [size(r), r.pick([1, 1, 2, 3]), rows(r)];
  return { x: f(M * count * groups, r), weight: f(count, r), groups, eps: 1e-5, dtype: dtype(r) };
}

function logprob(r: Random) {
  const [R, columns, vocabulary] = [rows(r), size(r), r.pick([1, 2, 33, 70, 600])];
  return {
    ...{ hidden: f(R * columns, r), weight: f(vocabulary * columns, r), targets: ids(R, vocabulary, r), vocabulary, columns },
    ...{ bias: perhaps(r, () => f(vocabulary, r)), softcap: r.pick([undefined, 0, 5]), dtype: dtype(r) },
    candidates: perhaps(r, () => ids(R * 3, vocabulary, r)),
  };
}
function logprobBackward(r: Random) {
  const given = logprob(r);
  const [R, K] = [given.targets.length, given.candidates?.length ?? 0];
  return {
    ...given,
    ...{ lse: f(R, r), g: f(R, r), gLse: perhaps(r, () => f(R, r)), gMean: perhaps(r, () => f(R, r)), dweight: r.chance(0.5) },
    ...(r.chance(0.4) && { entropy: f(R, r), gEntropy: f(R, r) }),
    ...(K > 0 && { candidateLogprob: f(K, r), gCandidates: f(K, r) }),
  };
}

function loraMatmul(r: Random) {
  const [m, k, gated] = [rows(r), size(r), r.chance(0.2)];
  const same = size(r);
  const targets = Array.from({ length: gated ? 2 : 1 + r.below(3) }, () => {
    const [rank, n] = [r.pick([0, 1, 2, 8, 33]), gated ? same : size(r)];
    return { n, rank, w: f(n * k, r), a: f(rank * k, r), b: f(n * rank, r) };
  });
  const outputs = targets.reduce((sum, target) => sum + target.n, 0);
  return { m, k, x: f(m * k, r), targets, scale: 0.5, gated, dy: perhaps(r, () => f(m * outputs, r)), dtype: dtype(r) };
}

function matmul(r: Random) {
  const finish = r.pick([undefined, 'store', 'store_scaled', 'add', 'swiglu', 'swiglu_backward', 'store_float']);
  const [m, k, lowRank] = [rows(r), size(r), r.pick([0, 0, 1, 8, 33])];
  const n = finish === 'swiglu' ? 2 * size(r) : size(r);
  const transposed = finish !== 'swiglu' && (finish === 'swiglu_backward' || r.chance(0.3));
  const [inputs, outputs] = transposed ? [n, k] : [k, n];
  const stored = r.pick([undefined, 'f32', 'bf16', 'f16']);
  const w = stored === 'bf16' || stored === 'f16' ? Uint16Array.from(ids(n * k, 65536, r)) : f(n * k, r);
  return {
    ...{ m, n, k, a: f(m * inputs, r), w, stored, transposed, finish, scale: 1, dtype: dtype(r), both: r.pick([undefined, true, false]) },
    ...{ bias: perhaps(r, () => f(outputs, r)), residual: f(m * outputs, r), kept: f(m * 2 * outputs, r) },
    ...{ lowRank, lowLeft: f(m * lowRank, r), lowRight: f(outputs * lowRank, r) },
  };
}

function rotary(r: Random) {
  const [N, headSize, heads] = [r.below(20), r.pick([4, 6, 64, 256]), 1 + r.below(3)];
  const positions = ids(N, 1000, r);
  return {
    ...SCALING,
    positions,
    headSize,
    heads,
    x: f(N * headSize * heads, r),
    kind: r.pick(KINDS),
    inverse: r.chance(0.5),
    dtype: dtype(r),
  };
}

function swiglu(r: Random) {
  const [columns, M] = [size(r), rows(r)];
  return { gate: f(M * columns, r), up: f(M * columns, r), columns, activation: r.pick(ACTIVATIONS), dtype: dtype(r) };
}
function activation(r: Random) {
  const [columns, M] = [size(r), rows(r)];
  return { x: f(M * columns, r), columns, activation: r.pick(ACTIVATIONS), dtype: dtype(r) };
}
function embedding(r: Random) {
  const [vocabulary, columns] = [size(r), size(r)];
  return { weight: f(vocabulary * columns, r), ids: ids(r.below(40), vocabulary, r), vocabulary, columns, dtype: dtype(r) };
}

/** By the name of the public function. */
export const ARGUMENTS: Record<string, Make> = {
  adamw: (r) => {
    const n = r.below(70);
    const rates = { rate: 0.1, t: 1 + r.below(9), decay: r.unit(), scale: 1, beta1: 0.9, beta2: 0.99, eps: 1e-8 };
    return { weights: f(n, r), gradient: f(n, r), first: f(n, r), second: f(n, r).map(Math.abs), ...rates };
  },
  attention,
  attentionBackward: (r) => {
    const given = attention(r);
    return { ...given, dout: f(given.q.length, r) };
  },
  attentionDecode,
  dropout: (r) => {
    const [columns, M] = [size(r), rows(r)];
    const keys = { rowKeys: ids(M, 99, r), key: r.below(1e6), stream: r.below(9) };
    return { x: f(M * columns, r), columns, p: r.unit() * 0.9, ...keys, dtype: dtype(r) };
  },
  embedding,
  embeddingBackward: (r) => {
    const { weight: _, ...given } = embedding(r);
    return { ...given, dx: f(given.ids.length * given.columns, r) };
  },
  gradientNorm: (r) => ({ gradient: f(r.below(99), r) }),
  layerNorm,
  layerNormBackward: (r) => {
    const given = layerNorm(r);
    const [n, M] = [given.x.length, given.x.length / given.weight.length];
    return { ...given, mean: f(M, r), inverse: f(M, r), dy: f(n, r), through: perhaps(r, () => f(n, r)) };
  },
  rmsNorm,
  rmsNormBackward: (r) => {
    const given = rmsNorm(r);
    const n = given.x.length;
    return { ...given, inverse: f(n / given.weight.length, r), dy: f(n, r), through: perhaps(r, () => f(n, r)) };
  },
  logprob: (r) => {
    const given = logprob(r);
    return { ...given, entropy: r.chance(0.5), mean: r.chance(0.5), topK: perhaps(r, () => 1 + r.below(given.vocabulary)) };
  },
  logprobBackward,
  loraMatmul,
  matmul,
  contract: (r) => {
    const [m, R, k] = [rows(r), size(r), size(r)];
    const out = perhaps(r, () => f(R * k, r));
    return { m, r: R, k, left: f(m * R, r), right: f(m * k, r), out, taskBlocks: r.pick([undefined, 1, 3]), dtype: dtype(r) };
  },
  columnSums: (r) => {
    const [m, k] = [rows(r), size(r)];
    return { m, k, x: f(m * k, r), out: perhaps(r, () => f(k, r)), dtype: dtype(r) };
  },
  rotary,
  rotaryFrequencies: (r) => ({ ...SCALING, headSize: r.pick([4, 64, 256]), length: r.below(9999), kind: r.pick(KINDS) }),
  sample: (r) => {
    const V = 1 + r.below(99);
    const chosen = { temperature: r.unit() * 2, topK: r.below(9), topP: r.unit(), minP: r.unit(), repetitionPenalty: 1.1, unit: r.unit() };
    return { logits: f(V, r), seen: ids(r.below(9), V, r), ...chosen };
  },
  score: (r) => {
    const [H, S] = [size(r), r.below(9)];
    return { weight: f(H, r), x: f(S * H, r), gradient: perhaps(r, () => f(S, r)), dtype: dtype(r) };
  },
  swiglu,
  swigluBackward: (r) => {
    const given = swiglu(r);
    return { ...given, dact: f(given.gate.length, r) };
  },
  activation,
  activationBackward: (r) => {
    const given = activation(r);
    return { ...given, dy: f(given.x.length, r) };
  },
  logprobPlan: (r) => ({
    ...{ isa: r.pick(ISAS), dtype: 'bf16', columns: 32 * (1 + r.below(40)), rows: r.below(999) },
    ...{ vocabulary: 1 + r.below(999), threads: 1 + r.below(9), topK: 1 + r.below(99) },
  }),
  matmulPlan: (r) => ({ isa: r.pick(ISAS), dtype: 'bf16', contraction: 32 * (1 + r.below(40)) }),
};

/** Those that measure time give other results each run. */
export const MEASURING = ['ceiling'];
export const kernelNames = Object.keys(ARGUMENTS);
export const publicKernels = Object.keys(kernels).filter((name) => name !== 'kernelVariants');

/** Calls the public function `name`. */
export function callPublic(name: string, args: unknown, options?: unknown): unknown {
  return (kernels as unknown as Record<string, (a: unknown, o: unknown) => unknown>)[name]!(args, options);
}

/** The name in the native table, which knows the variants. */
export const nativeName = (name: string) =>
  ({ contract: 'matmul_contract', columnSums: 'matmul_column_sums', activationBackward: 'activation' })[name] ??
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Arguments number `index` of kernel `name`. */
export const argumentsOf = (name: string, seed: number, index: number) => ARGUMENTS[name]!(choices(seed, index));
