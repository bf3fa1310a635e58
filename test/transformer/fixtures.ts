/**
 * What the tests of the transformer stand on: checkpoints and figures recorded by test/reference, and models loaded from them. The reader of
 * safetensors here is the tests' own, so that a fault of lib/checkpoint cannot hide one of the model.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type AdapterOptions,
  addon,
  addonCandidates,
  type ForwardBatch,
  guarded,
  type ModelOptions,
  type NativeModel,
  type NetworkConfig,
  type RotaryConfig,
  type StoredTensor,
  type StoredType,
} from '../../lib/native.js';
import { networkConfig } from '../../lib/network/config.js';

const here = dirname(fileURLToPath(import.meta.url));
export const FIXTURES = resolve(here, '../reference/fixtures');

/** The addon that these tests load, for processes of their own. */
export const ADDON = addonCandidates().find((path) => existsSync(path)) ?? 'not built';

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}
export interface Tensor {
  shape: number[];
  values: Float32Array;
}
const STORED: Record<string, StoredType> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };

function header(path: string): { bytes: Buffer; start: number; entries: [string, Entry][] } {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const all = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, Entry>;
  return { bytes, start, entries: Object.entries(all).filter(([name]) => name !== '__metadata__') };
}

/** Where the tensors of a safetensors file lie. */
export function storedTensors(path: string): StoredTensor[] {
  const { start, entries } = header(path);
  return entries.map(([name, { dtype, shape, data_offsets }]) => ({
    name,
    path,
    offset: start + data_offsets[0],
    stored: STORED[dtype]!,
    shape,
  }));
}

/** The tensors of a safetensors file of F32 and I64 numbers. */
export function tensors(path: string): Map<string, Tensor> {
  const { bytes, start, entries } = header(path);
  return new Map(
    entries.map(([name, { dtype, shape, data_offsets }]) => {
      const part = Uint8Array.prototype.slice.call(bytes, start + data_offsets[0], start + data_offsets[1]).buffer;
      return [name, { shape, values: dtype === 'I64' ? Float32Array.from(new BigInt64Array(part), Number) : new Float32Array(part) }];
    }),
  );
}

/** How far PyTorch itself is off in a dtype: relative, but for `loss` and `gradientNorm`, which are absolute. */
export interface Errors {
  loss: number;
  gradientNorm: number;
  gradient: number;
  gradients: Record<string, number>;
  logits: number;
}
interface Figures {
  loss: number;
  gradientNorm: number;
  errors: { f32: Errors; bf16: Errors };
}
/** As test/reference/families.py and encoders.py write it. */
interface RecordedNetwork extends Pick<NetworkConfig, 'vocabulary' | 'hidden' | 'layers' | 'windows'> {
  queryKeyValueBias: boolean;
  outputBias: boolean;
  mlpBias: boolean;
  queryKeyNorm: boolean;
  rotary?: RotaryConfig;
  encoder?: { types: number; activation: string };
}

export interface Family extends Figures {
  name: string;
  network: NetworkConfig;
  /** The network's sizes as transformers reads them. */
  recorded: RecordedNetwork;
  ids: number[][];
  /** Of decoders: 1 where a token is predicted, by the position before it. */
  trained: number[][];
  /** Of encoders: the id that stands hidden at each position, or -1. */
  targets?: number[][];
  adapter: Figures & { rank: number; alpha: number };
  expected: Map<string, Tensor>;
}

export const FAMILIES =
  'llama llama3 linear dynamic yarn yarn_new mistral qwen2 qwen2_window qwen3 biases head20 head32 head80 head128'.split(' ');

/** Encoders of test/reference/encoders.py: odd sizes, both forms of GELU. */
export const ENCODERS = ['bert', 'bert_odd', 'bert_heads'];

export function family(name: string): Family {
  const folder = resolve(FIXTURES, name);
  const json = (file: string) => JSON.parse(readFileSync(resolve(folder, file), 'utf8'));
  const { network: recorded, ...figures } = json('expected.json') as Omit<Family, 'name' | 'network' | 'expected' | 'recorded'> & {
    network: RecordedNetwork;
  };
  const network = networkConfig(json('config.json'), `${name}/config.json`);
  return { ...figures, name, network, recorded, expected: tensors(resolve(folder, 'expected.safetensors')) };
}

/** Rows laid end to end; `trained` marks the tokens to be predicted, each by the position before it. */
export function batchOf(ids: number[][], trained: number[][] = ids.map((row) => row.map((_, i) => Number(i > 0)))): ForwardBatch {
  const sequenceStarts = new Int32Array(ids.length + 1);
  for (const [n, row] of ids.entries()) sequenceStarts[n + 1] = sequenceStarts[n]! + row.length;
  const targets = ids.flatMap((row, n) => row.map((_, i) => (trained[n]![i + 1] ? row[i + 1]! : -1)));
  return { tokens: Int32Array.from(ids.flat()), sequenceStarts, targets: Int32Array.from(targets) };
}

/** Some rows of a fixture (default all), in the way that its network predicts. */
export function batchFrom({ ids, trained, targets }: Pick<Family, 'ids' | 'trained' | 'targets'>, rows = [...ids.keys()]): ForwardBatch {
  const pick = <T>(all: T[]) => rows.map((n) => all[n]!);
  if (!targets) return batchOf(pick(ids), pick(trained));
  return { ...batchOf(pick(ids)), targets: Int32Array.from(pick(targets).flat()) };
}

/** Without rotation a bias of keys moves all scores of a query alike: its gradient is zero but for rounding, and is measured against the whole. */
export const vanishes = (name: string) => name.endsWith('attention.self.key.bias');

export type Setting = Partial<Pick<ModelOptions, 'device' | 'dtype' | 'threads' | 'train' | 'recomputeActivations'>>;

/** The engine that these tests run on, where a file asks for another than the usual one. */
const device = process.env.ATTUNE_TEST_DEVICE === 'plain' ? 'plain' : 'cpu';

/** The checkpoint of a fixture as a model: fp32, one thread, forward only, unless `setting` says otherwise. */
export function load(name: string, network: NetworkConfig, setting: Setting = {}): Promise<NativeModel> {
  return loadFile(resolve(FIXTURES, name, 'model.safetensors'), network, setting);
}

export function loadFile(path: string, config: NetworkConfig, setting: Setting = {}): Promise<NativeModel> {
  const options = { device, dtype: 'f32', threads: 1, train: 'none', recomputeActivations: false, ...setting } as const;
  return guarded(() => addon().loadModel({ config, tensors: storedTensors(path), ...options }));
}

const LORA = /^(?:base_model\.model\.)?(.+)\.lora_A\.weight$/;

/** PEFT's tensors as the adapter of a model. */
export function adapterOf(named: Map<string, Tensor>, scale: number, dropout = 0): AdapterOptions {
  const targets = [...named].flatMap(([key, a]) => {
    const name = key.match(LORA)?.[1];
    const b = named.get(key.replace('lora_A', 'lora_B'));
    return name && b ? [{ name, rank: a.shape[0]!, a: a.values, b: b.values }] : [];
  });
  return { scale, dropout, targets };
}

/** Entries of `named` below `prefix`, without it. */
export function below(named: Map<string, Tensor>, prefix: string): Map<string, Tensor> {
  return new Map([...named].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [])));
}

/** Sum of all numbers, in double. */
export const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/**
 * Forward and backward of one batch, its loss the mean nats over `count` trained tokens (default: those of the batch).
 * Gradients are added to those that the model holds. → sum of nats / count, and the log-probabilities
 */
export async function passes(model: NativeModel, batch: ForwardBatch, count?: number) {
  const { logprob } = await model.forward(batch, { keep: true });
  const divisor = count ?? logprob.length;
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1 / divisor) });
  return { loss: -sum(logprob) / divisor, logprob };
}

/** Gradients of every trained tensor, by name. */
export async function gradientsOf(model: NativeModel): Promise<Map<string, Float32Array>> {
  const all = new Map<string, Float32Array>();
  for (const { name } of model.parameters()) all.set(name, await model.read(name, 'gradient'));
  return all;
}

/** Is the addon's model there, with the last kernel it needs? False only in builds of single kernels. */
export const hasModel = typeof addon().loadModel === 'function' && 'logprob' in addon().kernels;

/** The folder of shared material beside the repository, or `ATTUNE_SHARED`; undefined where there is none. */
export function shared(...parts: string[]): string | undefined {
  const path = resolve(process.env.ATTUNE_SHARED ?? resolve(here, '../../../shared'), ...parts);
  return existsSync(path) ? path : undefined;
}
