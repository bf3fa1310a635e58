/** Writes a whole Hugging Face folder: config.json, weights in shards, and what belongs to the tokenizer. */
import { copyFile, cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../files/json_file.js';
import type { StoredType } from '../native.js';
import { COMPANIONS, TEMPLATES } from './companions.js';
import { exists, writeWhole } from './files.js';
import type { ModelFolder } from './model_folder.js';
import { STORED_BYTES } from './numbers.js';
import { sizeOf, type TensorToWrite, writeSafetensors } from './safetensors.js';

/** Largest size of a file of weights: transformers' own 5 GB, which every hub and file system takes. */
const SHARD_BYTES = 5_000_000_000;

export interface WriteModelOptions {
  base: ModelFolder;
  tensors: readonly TensorToWrite[];
  /** Told in config.json; undefined: as the base tells it. */
  dtype?: StoredType | undefined;
  /** Most bytes of a file of weights. */
  shardBytes?: number;
}

/** Writes into `folder`, which is made. For a folder that appears whole, call it inside `folderWhole`. */
export async function writeModelFolder(
  folder: string,
  { base, tensors, dtype, shardBytes = SHARD_BYTES }: WriteModelOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyCompanions(base.folder, folder);
  await writeWhole(join(folder, 'config.json'), `${JSON.stringify(withDtype(base.configJson, dtype), undefined, 2)}\n`);
  const shards = shardsOf(tensors, shardBytes);
  if (shards.length === 1) return writeSafetensors(join(folder, 'model.safetensors'), tensors);
  const nameOf = (n: number) => `model-${String(n + 1).padStart(5, '0')}-of-${String(shards.length).padStart(5, '0')}.safetensors`;
  for (const [n, shard] of shards.entries()) await writeSafetensors(join(folder, nameOf(n)), shard);
  const weightMap = Object.fromEntries(shards.flatMap((shard, n) => shard.map(({ name }) => [name, nameOf(n)])));
  const index = { metadata: { total_size: tensors.reduce((sum, tensor) => sum + bytes(tensor), 0) }, weight_map: weightMap };
  await writeWhole(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, undefined, 2)}\n`);
}

/** Copies the tokenizer's files, templates and generation settings that `from` has. */
async function copyCompanions(from: string, to: string): Promise<void> {
  // The hub's cache holds links; a folder of one's own holds what they lead to.
  for (const name of COMPANIONS) if (await exists(join(from, name))) await copyFile(join(from, name), join(to, name));
  if (await exists(join(from, TEMPLATES))) await cp(join(from, TEMPLATES), join(to, TEMPLATES), { recursive: true, dereference: true });
}

const bytes = ({ shape, stored }: TensorToWrite) => sizeOf(shape) * STORED_BYTES[stored];

/** Tensors in order, a new file where the next would make one too large. */
function shardsOf(tensors: readonly TensorToWrite[], most: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = [[]];
  let size = 0;
  for (const tensor of tensors) {
    if (size > 0 && size + bytes(tensor) > most) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)?.push(tensor);
    size += bytes(tensor);
  }
  return shards;
}

const TORCH_NAMES: Record<StoredType, string> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' };

/**
 * config.json with the number type wherever the base tells one: `torch_dtype` before transformers 5, `dtype` since, either in nested configs too. Where
 * both stand side by side transformers reads one and other programs the other.
 */
function withDtype(config: Json, dtype: StoredType | undefined): Json {
  if (dtype === undefined) return config;
  const written = replaced(config, TORCH_NAMES[dtype]) as Json;
  return DTYPE_KEYS.some((key) => Object.hasOwn(config, key)) ? written : { ...written, dtype: TORCH_NAMES[dtype] };
}

const DTYPE_KEYS: readonly string[] = ['dtype', 'torch_dtype'];

/** Names of types that weights may have, as config.json tells them: a nested `dtype` of anything else is another thing. */
const isDtype = (value: unknown) =>
  value === null || (typeof value === 'string' && /^(torch\.)?(b?float\d*|half|double|auto)$/.test(value));

function replaced(value: unknown, name: string): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((one) => replaced(one, name));
  const pairs = Object.entries(value).map(([key, one]) => [key, DTYPE_KEYS.includes(key) && isDtype(one) ? name : replaced(one, name)]);
  return Object.fromEntries(pairs);
}
