// Writes tiny checkpoints for tests: a Hugging Face folder with random weights.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { fromFloat32 } from '../../lib/checkpoint/numbers.js';
import type { StoredType } from '../../lib/native.js';
import { networkConfig } from '../../lib/network/config.js';
import { writeTokenizer } from './tiny_tokenizer.js';

export type JsonObject = Record<string, unknown>;

/** A folder that is deleted when the tests of this file are done. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'attune-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A function to a path in `folder` at which nothing is yet, another in every call. */
export function placesIn(folder: string): () => string {
  let places = 0;
  return () => join(folder, `run${++places}`);
}

/** 256 bytes and three special tokens, rounded up: rows beyond the tokenizer's ids are as in published models. */
const TINY_VOCABULARY = 264;

export const TINY_CONFIG: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: TINY_VOCABULARY,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: 'silu',
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  bos_token_id: 256,
  eos_token_id: 257,
  torch_dtype: 'float32',
};

export interface RawTensor {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** A safetensors file as bytes, from a header that a test may have bent. */
export function safetensorsBytes(header: JsonObject, data: Uint8Array): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, data]);
}

export function packTensors(tensors: RawTensor[]): { header: JsonObject; data: Buffer } {
  let at = 0;
  const entries = tensors.map(({ name, dtype, shape, bytes }): [string, unknown] => {
    at += bytes.length;
    return [name, { dtype, shape, data_offsets: [at - bytes.length, at] }];
  });
  return { header: Object.fromEntries(entries), data: Buffer.concat(tensors.map(({ bytes }) => bytes)) };
}

const DTYPES: Record<StoredType, string> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

/** Random weights for a config, reproducible from the seed. */
export function tinyTensors(config: JsonObject, seed = 1, stored: StoredType = 'f32'): RawTensor[] {
  const draw = generator(seed);
  return networkConfig(config, 'config.json').tensors.map(({ name, shape }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const norm = shape.length === 1 && !name.endsWith('bias');
    const spread = norm ? 0.1 : name.includes('embed') ? 0.3 : 1 / Math.sqrt(shape.at(-1) as number);
    const values = Float32Array.from({ length: size }, () => (norm ? 1 : 0) + spread * draw());
    return { name, dtype: DTYPES[stored], shape, bytes: fromFloat32(values, stored).slice() };
  });
}

/** Roughly normal numbers. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  const unit = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => unit() + unit() + unit() + unit() - 2;
}

export interface TinyOptions {
  config?: JsonObject;
  seed?: number;
  stored?: StoredType;
  /** Files of weights. */
  shards?: number;
  tokenizer?: boolean;
}

/** Writes a model folder and returns its path. Keys of `config` that are undefined are left out. */
export function writeTinyModel(
  folder: string,
  { config = {}, seed = 1, stored = 'f32', shards = 1, tokenizer = true }: TinyOptions = {},
): string {
  const whole = JSON.parse(JSON.stringify({ ...TINY_CONFIG, ...config }));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(whole, undefined, 1));
  writeWeights(folder, tinyTensors(whole, seed, stored), shards);
  if (tokenizer) writeTokenizer(folder);
  return folder;
}

export function writeWeights(folder: string, tensors: RawTensor[], shards = 1): void {
  const file = (n: number) => (shards === 1 ? 'model.safetensors' : `model-0000${n + 1}-of-0000${shards}.safetensors`);
  const groups = Array.from({ length: shards }, (_, n) => tensors.filter((_tensor, at) => at % shards === n));
  groups.forEach((group, n) => {
    const { header, data } = packTensors(group);
    writeFileSync(join(folder, file(n)), safetensorsBytes(header, data));
  });
  if (shards === 1) return;
  const map = Object.fromEntries(groups.flatMap((group, n) => group.map(({ name }) => [name, file(n)])));
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
}
