/** A Hugging Face folder: config.json and safetensors, checked against each other before anything is computed. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';
import type { NetworkConfig, StoredTensor } from '../native.js';
import { networkConfig, scoresSequences } from './config.js';
import { ENCODER_COPIES, renamedTensors } from './encoder.js';
import { expectedTensors, scoreTensor } from './expected_tensors.js';
import { exists } from './files.js';
import { type Json, readJson, readJsonIfThere } from './json_file.js';
import { readPieces, storedTensor } from './safetensors.js';
import { readHeader } from './safetensors_header.js';

/** A checkpoint on the disk: nothing of its weights is in memory. */
export interface ModelFolder {
  folder: string;
  config: NetworkConfig;
  /** config.json as it stands. */
  configJson: Json;
  /** generation_config.json, where there is one. */
  generationJson: Json | undefined;
  /** Every tensor of the network once, in the order of the forward pass. */
  tensors: StoredTensor[];
  /** An equal copy of a tied head, which some checkpoints hold beside the embedding. */
  headCopy: StoredTensor | undefined;
  /** The score head (1, hidden) of a reward model, which has no other head. */
  score: StoredTensor | undefined;
}

export interface OpenOptions {
  /** Whether a reward model may be opened, which scores texts and cannot write any. Default false. */
  scores?: boolean;
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/**
 * Opens a folder and checks that config.json and the tensors fit together.
 * @throws DataError `missing_model`, `missing_file`, `malformed_json`, `bad_config`, `unknown_architecture`, `unknown_rope_scaling`,
 * `bad_safetensors`, `tensor_missing`, `tensor_shape`, `tensor_dtype`, `tensor_unexpected`, `reward_model`
 */
export async function openModelFolder(folder: string, { scores = false }: OpenOptions = {}): Promise<ModelFolder> {
  await checkFolder(folder);
  const file = join(folder, 'config.json');
  const configJson = await readJson(file);
  const config = networkConfig(configJson, file);
  const isReward = scoresSequences(configJson);
  if (isReward && !scores)
    throw new DataError('reward_model', 'is a reward model: it scores texts and cannot write or predict any', { file });
  const generationJson = await readJsonIfThere(join(folder, 'generation_config.json'));
  const stored = await storedTensors(folder);
  const found = config.encoder === undefined ? stored : renamedTensors(stored);
  const needed = isReward ? [...expectedTensors(config), scoreTensor(config)] : expectedTensors(config);
  const tensors = needed.map((expected) => {
    const tensor = found.get(expected.name);
    const shown = `[${expected.shape.join(', ')}] by config.json (${expected.because})`;
    if (tensor === undefined) throw new DataError('tensor_missing', `${expected.name} is missing: expected ${shown}`, { file: folder });
    if (tensor.shape.join() !== expected.shape.join())
      throw new DataError('tensor_shape', `${expected.name}: expected ${shown}, got [${tensor.shape.join(', ')}]`, { file: tensor.path });
    found.delete(expected.name);
    return tensor;
  });
  const headCopy = await leftOver(found, config, tensors);
  const score = isReward ? tensors.pop() : undefined;
  return { folder, config, configJson, generationJson, tensors, headCopy, score };
}

/**
 * Checks that every id of a tokenizer has a row in the embedding.
 * @param ids one more than the tokenizer's highest id
 */
export function checkVocabulary({ config, folder }: ModelFolder, ids: number): void {
  if (ids <= config.vocabulary) return;
  const message = `the tokenizer has ${ids} ids, but the model only ${config.vocabulary} rows (vocab_size): they do not belong together`;
  throw new DataError('vocabulary_differs', message, { file: folder });
}

async function checkFolder(folder: string): Promise<void> {
  const found = await ifThere(stat(folder), folder);
  if (found === undefined) throw new DataError('missing_model', 'no such model folder', { file: folder });
  if (found.isDirectory()) return;
  const what = folder.endsWith('.gguf')
    ? 'GGUF files are not read yet; give the Hugging Face folder'
    : 'is a file; expected a Hugging Face folder';
  throw new DataError('missing_model', what, { file: folder });
}

async function storedTensors(folder: string): Promise<Map<string, StoredTensor>> {
  const single = join(folder, SINGLE);
  if (await exists(single)) {
    const entries = await readHeader(single);
    return new Map(entries.filter(({ name }) => !IGNORED.test(name)).map((entry) => [entry.name, storedTensor(entry, single)]));
  }
  const index = await readJsonIfThere(join(folder, INDEX));
  if (index === undefined)
    throw new DataError('missing_file', `has neither ${SINGLE} nor ${INDEX}; attune reads safetensors`, { file: folder });
  return shardTensors(folder, index);
}

async function shardTensors(folder: string, index: Json): Promise<Map<string, StoredTensor>> {
  const place = { file: join(folder, INDEX) };
  const map = index.weight_map;
  const isName = (value: unknown) => typeof value === 'string' && /^[\w.-]+$/.test(value);
  if (map === null || typeof map !== 'object' || !Object.values(map).every(isName))
    throw new DataError('malformed_json', 'expected weight_map: names of tensors and the files that hold them', place);
  const names = map as Record<string, string>;
  const found = new Map<string, StoredTensor>();
  for (const shard of [...new Set(Object.values(names))].sort()) {
    const path = join(folder, shard);
    if (!(await exists(path))) throw new DataError('missing_file', `no such file, though ${INDEX} names it`, { file: path });
    for (const entry of await readHeader(path))
      if (names[entry.name] === shard && !IGNORED.test(entry.name)) found.set(entry.name, storedTensor(entry, path));
  }
  const lost = Object.keys(names).find((name) => !found.has(name) && !IGNORED.test(name));
  if (lost !== undefined) throw new DataError('tensor_missing', `${lost} is not in ${names[lost]}, though ${INDEX} says so`, place);
  return found;
}

/** Constants that older Llama checkpoints hold; they follow from config.json. */
const IGNORED = /\.rotary_emb\.inv_freq$/;

const HEAD = 'lm_head.weight';
const DECODER_COPIES: ReadonlyMap<string, string> = new Map([[HEAD, 'model.embed_tokens.weight']]);

/**
 * What a file holds beside the network: copies of tied tensors are fine, anything else says that config.json is of another network.
 * @returns the copy of a decoder's head, which a merged model keeps
 */
async function leftOver(
  found: ReadonlyMap<string, StoredTensor>,
  { encoder, tied }: NetworkConfig,
  tensors: readonly StoredTensor[],
): Promise<StoredTensor | undefined> {
  const copies = encoder === undefined ? DECODER_COPIES : ENCODER_COPIES;
  for (const { name, path } of found.values()) {
    if (copies.has(name)) continue;
    throw new DataError('tensor_unexpected', `${name} is in the file, but the network of config.json has no such tensor`, { file: path });
  }
  if (!tied) return undefined;
  for (const [name, original] of copies) {
    const copy = found.get(name);
    const first = tensors.find((tensor) => tensor.name === original) as StoredTensor;
    if (copy === undefined) continue;
    if (copy.shape.join() === first.shape.join() && copy.stored === first.stored && (await sameNumbers(copy, first))) continue;
    const message = `${name} differs from ${original}, though config.json ties them (tie_word_embeddings true)`;
    throw new DataError('tensor_unexpected', message, { file: copy.path });
  }
  return found.get(HEAD);
}

async function sameNumbers(one: StoredTensor, other: StoredTensor): Promise<boolean> {
  const others = readPieces(other);
  try {
    for await (const piece of readPieces(one)) {
      const { value } = await others.next();
      if (value === undefined || Buffer.compare(piece, value) !== 0) return false;
    }
    return true;
  } finally {
    await others.return(undefined);
  }
}
