/** Reads a PEFT folder and checks it against the network that it is to sit on. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import type { AdapterTarget, NetworkConfig, StoredTensor } from '../native.js';
import { type Adapter, HEAD_NAME, moduleNames, peftName } from './adapter.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './adapter_folder.js';
import { adaptableLayers } from './expected_tensors.js';
import { Fields, type Json, readJson } from './json_file.js';
import { readTensor, storedTensor } from './safetensors.js';
import { readHeader } from './safetensors_header.js';
import type { LinearLayer } from './tensor.js';

/**
 * Reads an adapter for a network of `config`.
 * @throws DataError `missing_adapter`, `missing_file`, `malformed_json`, `bad_adapter`, `adapter_shape`, `bad_safetensors`, `tensor_not_finite`
 */
export async function readAdapter(folder: string, config: NetworkConfig): Promise<Adapter> {
  const found = await stat(folder).catch((cause) => {
    throw new DataError('missing_adapter', 'no such adapter folder', { file: folder, cause });
  });
  if (!found.isDirectory()) throw new DataError('missing_adapter', 'is a file; expected a PEFT adapter folder', { file: folder });
  const file = join(folder, ADAPTER_CONFIG);
  const settings = settingsOf(await readJson(file), file);
  const path = join(folder, ADAPTER_WEIGHTS);
  const stored = new Map((await readHeader(path)).map((entry) => [entry.name, storedTensor(entry, path)]));
  const head = await readHead(stored, settings.hasHead, config, path);
  const targets: AdapterTarget[] = [];
  for (const layer of layersOf(stored, config, path)) targets.push(await readTarget(layer, settings.rank, stored, path));
  checkModules(settings.targetModules, targets, config, file);
  const targetModules = Array.isArray(settings.targetModules) ? settings.targetModules : moduleNames(targets, config);
  const { hasHead: _, ...figures } = settings;
  return { ...figures, targetModules, targets, ...(head && { head }) };
}

type Settings = Omit<Adapter, 'targets' | 'targetModules' | 'head'> & { targetModules: string[] | string; hasHead: boolean };

/** The scalar head of a sequence classifier; it is taken out of `stored`. */
async function readHead(stored: Map<string, StoredTensor>, hasHead: boolean, config: NetworkConfig, path: string) {
  const tensor = stored.get(HEAD_NAME);
  if (!hasHead) return undefined;
  if (tensor === undefined)
    throw new DataError('bad_adapter', `${HEAD_NAME} is missing, though modules_to_save names score`, { file: path });
  stored.delete(HEAD_NAME);
  if (tensor.shape.join() === [1, config.hidden].join()) return readFinite(tensor, path);
  const message = `${HEAD_NAME}: expected [1, ${config.hidden}] (one label and the model's width), got [${tensor.shape.join(', ')}]`;
  throw new DataError('adapter_shape', message, { file: path });
}

/** Settings that change what an adapter means and that attune does not compute. */
const REFUSED = ['use_dora', 'use_qalora', 'lora_bias', 'fan_in_fan_out', 'layer_replication', 'target_parameters', 'rank_pattern'];
const ALSO_REFUSED = [
  'alpha_pattern',
  'trainable_token_indices',
  'alora_invocation_tokens',
  'arrow_config',
  'use_bdlora',
  'megatron_config',
];

const isSet = (value: unknown) => !(value === undefined || value === null || value === false || JSON.stringify(value) === '{}');

/** PEFT lists `classifier` beside `score` for models that may have either. */
function hasScoreHead({ task_type: task, modules_to_save: saved }: Json): boolean {
  return task === 'SEQ_CLS' && Array.isArray(saved) && saved.includes('score') && saved.every((name) => HEADS.includes(name));
}

const HEADS: readonly unknown[] = ['score', 'classifier'];

function settingsOf(json: Json, file: string): Settings {
  const fields = new Fields(json, file);
  const type = fields.text('peft_type', 'LORA');
  if (type !== 'LORA') throw fields.fault('peft_type', `${type} is not supported; expected LORA`, 'bad_adapter');
  const refused = [...REFUSED, ...ALSO_REFUSED].find((key) => isSet(json[key]));
  if (refused !== undefined) throw fields.fault(refused, `${JSON.stringify(json[refused]).slice(0, 80)} is not supported`, 'bad_adapter');
  if (fields.text('bias', 'none') !== 'none') throw fields.fault('bias', `${json.bias} is not supported; expected none`, 'bad_adapter');
  const hasHead = hasScoreHead(json);
  if (isSet(json.modules_to_save) && !hasHead) {
    const message = `${JSON.stringify(json.modules_to_save).slice(0, 80)} is not supported; expected null, or ["score"] with task_type SEQ_CLS`;
    throw fields.fault('modules_to_save', message, 'bad_adapter');
  }
  const modules = typeof json.target_modules === 'string' ? json.target_modules : fields.texts('target_modules');
  return {
    rank: fields.count('r'),
    alpha: fields.number('lora_alpha', undefined, 0),
    rsLora: fields.flag('use_rslora', false),
    dropout: fields.number('lora_dropout', 0),
    targetModules: modules,
    hasHead,
  };
}

/** Layers that the file has factors for. Every tensor must be the A or B of a linear layer of the network. */
function layersOf(stored: Map<string, StoredTensor>, config: NetworkConfig, path: string): LinearLayer[] {
  const layers = adaptableLayers(config);
  const known = new Set(layers.flatMap(({ name }) => [peftName(name, 'A'), peftName(name, 'B')]));
  const foreign = [...stored.keys()].find((name) => !known.has(name));
  if (foreign !== undefined) {
    const message = `${foreign} belongs to no linear layer of the model, which has layers 0 to ${config.layers - 1}`;
    throw new DataError('bad_adapter', message, { file: path });
  }
  const chosen = layers.filter(({ name }) => stored.has(peftName(name, 'A')) || stored.has(peftName(name, 'B')));
  if (chosen.length === 0) throw new DataError('bad_adapter', 'holds no LoRA tensors', { file: path });
  return chosen;
}

async function readTarget(layer: LinearLayer, rank: number, stored: Map<string, StoredTensor>, path: string): Promise<AdapterTarget> {
  const factor = async (which: 'A' | 'B', expected: number[]) => {
    const name = peftName(layer.name, which);
    const tensor = stored.get(name);
    if (tensor === undefined) throw new DataError('bad_adapter', `${name} is missing, though its other factor is there`, { file: path });
    if (tensor.shape.join() !== expected.join()) {
      const why = `r ${rank} and the model's ${layer.name}`;
      const message = `${name}: expected [${expected.join(', ')}] (${why}), got [${tensor.shape.join(', ')}]`;
      throw new DataError('adapter_shape', message, { file: path });
    }
    return readFinite(tensor, path);
  };
  return { name: layer.name, rank, a: await factor('A', [rank, layer.inputs]), b: await factor('B', [layer.outputs, rank]) };
}

async function readFinite(tensor: StoredTensor, path: string): Promise<Float32Array> {
  const values = await readTensor(tensor);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new DataError('tensor_not_finite', `${tensor.name} holds ${values[at]} at ${at}`, { file: path });
  return values;
}

/** Every layer that the config targets must have its tensors; a pattern that JavaScript does not read is left alone. */
function checkModules(modules: string[] | string, targets: AdapterTarget[], config: NetworkConfig, file: string): void {
  const have = new Set(targets.map(({ name }) => name));
  const matches = matcher(modules);
  const lost = adaptableLayers(config).find(({ name }) => matches(name) && !have.has(name));
  // Single layers may be left out by layers_to_transform or exclude_modules; a kind of layer that no block has may not.
  const kind = lost?.name.split('.').at(-1);
  if (kind !== undefined && !targets.some(({ name }) => name.endsWith(`.${kind}`)))
    throw new DataError('bad_adapter', `target_modules names ${kind}, but ${ADAPTER_WEIGHTS} has no tensors for it`, { file });
}

function matcher(modules: string[] | string): (name: string) => boolean {
  if (Array.isArray(modules)) return (name) => modules.some((one) => name === one || name.endsWith(`.${one}`));
  if (modules === 'all-linear') return () => true;
  try {
    const pattern = new RegExp(`^(?:${modules})$`);
    return (name) => pattern.test(name);
  } catch {
    return () => false;
  }
}
