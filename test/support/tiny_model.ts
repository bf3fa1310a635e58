// Writes tiny checkpoints for tests: a Hugging Face folder with random weights and a byte-level tokenizer, and PEFT adapters for it.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { networkConfig } from '../../lib/checkpoint/config.js';
import { expectedTensors } from '../../lib/checkpoint/expected_tensors.js';
import { fromFloat32 } from '../../lib/checkpoint/numbers.js';
import type { StoredType } from '../../lib/native.js';

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
  return expectedTensors(networkConfig(config, 'config.json')).map(({ name, shape }) => {
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

/** Byte-level tokenizer without merges: id 0–255 are bytes, then <s> (added first), </s> and <unk>. */
export function writeTokenizer(folder: string): void {
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(256, '<s>'), special(257, '</s>'), special(258, '<unk>')],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [256], tokens: ['<s>'] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: byteVocabulary(),
      merges: [],
    },
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    model_max_length: 256,
  };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
}

/** GPT-2's table: printable bytes stand for themselves, the other 68 move up to U+0100. */
function byteVocabulary(): Record<string, number> {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let moved = 256;
  return Object.fromEntries(Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(printable(byte) ? byte : moved++), byte]));
}

/** Writes a PEFT adapter whose B is not zero. `edit` may bend config and tensors first. */
export function writeTinyAdapter(
  folder: string,
  targets: { name: string; inputs: number; outputs: number }[],
  { rank = 4, alpha = 8, seed = 3, edit = (_config: JsonObject, tensors: RawTensor[]) => tensors } = {},
): string {
  const draw = generator(seed);
  const factor = (name: string, shape: number[], spread: number): RawTensor => {
    const values = Float32Array.from({ length: (shape[0] as number) * (shape[1] as number) }, () => spread * draw());
    return { name, dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) };
  };
  const tensors = targets.flatMap(({ name, inputs, outputs }) => [
    factor(`base_model.model.${name}.lora_A.weight`, [rank, inputs], 0.2),
    factor(`base_model.model.${name}.lora_B.weight`, [outputs, rank], 0.2),
  ]);
  const modules = [...new Set(targets.map(({ name }) => name.split('.').at(-1)))];
  const config: JsonObject = {
    peft_type: 'LORA',
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    target_modules: modules,
    task_type: 'CAUSAL_LM',
  };
  const { header, data } = packTensors(edit(config, tensors));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'adapter_model.safetensors'), safetensorsBytes(header, data));
  return folder;
}
