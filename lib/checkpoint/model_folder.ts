/** A Hugging Face folder: config.json and safetensors, checked against each other before anything is computed. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';
import { type Json, readJson, readJsonIfThere } from '../files/json_file.js';
import type { NetworkConfig, StoredTensor } from '../native.js';
import { FAMILIES, familyOf, networkConfig, scoresSequences } from '../network/config.js';
import type { Family } from '../network/family.js';
import { scoreTensor } from '../network/linears.js';
import type { ExpectedTensor } from '../network/table.js';
import { type FoundTensor, findTensors } from './model_tensors.js';
import { storedTensor } from './safetensors.js';
import { nameTied, takeCopies } from './tied_tensors.js';
import type { CheckpointWarning } from './warning.js';

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
  /** What is worth telling of the folder, which is opened all the same. */
  warnings: CheckpointWarning[];
}

export interface OpenOptions {
  /** Whether a reward model may be opened, which scores texts and cannot write any. Default false. */
  scores?: boolean;
}

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
  const { byName, warnings } = await findTensors(folder);
  const found = renamed(byName, familyOf(configJson, file));
  if (!isReward) nameTied(found, config);
  const needed = isReward ? [...config.tensors, scoreTensor(config)] : config.tensors;
  const tensors = needed.map((expected) => takeExpected(found, expected, folder));
  const headCopy = isReward ? undefined : await takeCopies(found, config, tensors);
  warnings.push(...foreignTensors(found, folder));
  const score = isReward ? tensors.pop() : undefined;
  return { folder, config, configJson, generationJson, tensors, headCopy, score, warnings };
}

function takeExpected(found: Map<string, FoundTensor>, { name, shape, because }: ExpectedTensor, folder: string): StoredTensor {
  const tensor = found.get(name);
  const shown = `[${shape.join(', ')}] by config.json (${because})`;
  if (tensor === undefined) throw new DataError('tensor_missing', `${name} is missing: expected ${shown}`, { file: folder });
  if (tensor.shape.join() !== shape.join())
    throw new DataError('tensor_shape', `${name}: expected ${shown}, got [${tensor.shape.slice(0, 8).join(', ')}]`, { file: tensor.path });
  found.delete(name);
  return storedTensor(tensor, tensor.path);
}

/** Tensors under the names of the network's table; parts of other tasks are left out. */
function renamed(found: Map<string, FoundTensor>, { tensorName }: Family): Map<string, FoundTensor> {
  if (tensorName === undefined) return found;
  const known = [...found.values()].flatMap((tensor) => {
    const name = tensorName(tensor.name);
    return name === undefined ? [] : [{ ...tensor, name }];
  });
  return new Map(known.map((tensor) => [tensor.name, tensor]));
}

/**
 * What is left of a file: other tensors than the network's are left out, as transformers does, and named.
 * @throws DataError `tensor_unexpected` where they contradict config.json
 */
function foreignTensors(found: ReadonlyMap<string, FoundTensor>, folder: string): CheckpointWarning[] {
  const left = [...found.values()];
  const wrong = left.find(({ name }) => FAMILIES.some(({ parts }) => parts.test(name)));
  if (wrong !== undefined) {
    const message = `${wrong.name} is in the file, but the network of config.json has no such tensor`;
    throw new DataError('tensor_unexpected', message, { file: wrong.path });
  }
  if (left.length === 0) return [];
  const names = left.slice(0, 5).map(({ name }) => name);
  const more = left.length > names.length ? ` and ${left.length - names.length} more` : '';
  const message = `${folder}: ${names.join(', ')}${more} ${left.length === 1 ? 'is no tensor' : 'are no tensors'} of the network of config.json, and left out`;
  return [{ code: 'foreign_tensors', message }];
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
