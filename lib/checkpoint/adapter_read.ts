/** Reads a PEFT folder and checks it against the network that it is to sit on. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';
import { Fields, readJson } from '../files/json_file.js';
import type { AdapterTarget, NetworkConfig, StoredTensor } from '../native.js';
import { adaptableLayers } from '../network/linears.js';
import type { LinearLayer } from '../network/table.js';
import { type Adapter, HEAD_NAME, moduleNames, peftName, scaleOf } from './adapter.js';
import { type AdapterSettings, adapterSettings } from './adapter_config.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './adapter_folder.js';
import { isAllLinear, type Selection, selector } from './adapter_selection.js';
import { otherBase } from './other_base.js';
import { readTensor, storedTensor } from './safetensors.js';
import { readHeader } from './safetensors_header.js';

/**
 * Reads an adapter for a network of `config`.
 * @param base folder of the model that it is put on: a warning tells where the adapter names another
 * @throws DataError `missing_adapter`, `missing_file`, `malformed_json`, `bad_adapter`, `adapter_shape`, `bad_safetensors`, `tensor_not_finite`
 */
export async function readAdapter(folder: string, config: NetworkConfig, base?: string): Promise<Adapter> {
  const found = await ifThere(stat(folder), folder);
  if (found === undefined) throw new DataError('missing_adapter', 'no such adapter folder', { file: folder });
  if (!found.isDirectory()) throw new DataError('missing_adapter', 'is a file; expected a PEFT adapter folder', { file: folder });
  const file = join(folder, ADAPTER_CONFIG);
  const json = await readJson(file);
  const fields = new Fields(json, file);
  const { hasHead, selection, warnings: ofKeys, figuresOf, ...figures } = adapterSettings(json, fields);
  const ofBase = base === undefined ? [] : await otherBase(json.base_model_name_or_path, folder, base);
  const warnings = [...ofKeys, ...ofBase];
  const path = join(folder, ADAPTER_WEIGHTS);
  const stored = new Map((await readHeader(path)).map((entry) => [entry.name, storedTensor(entry, path)]));
  const head = await readHead(stored, hasHead, config, path);
  const layers = layersOf(stored, config, path);
  const exact = exactSelection(selection, layers, config, { fields, path });
  const targets: AdapterTarget[] = [];
  for (const layer of layers) {
    const { rank } = figuresOf?.(layer.name) ?? figures;
    targets.push(await readTarget(layer, rank, stored, path));
  }
  const own = figuresOf === undefined ? figures : { ...figures, ...scaledEach(targets, figuresOf, figures.rsLora) };
  return { ...own, selection: exact, targets, ...(head && { head }), ...(warnings.length > 0 && { warnings }) };
}

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

/** Layers with scales of their own share the scale 1: what each has is multiplied into its B. */
function scaledEach(targets: readonly AdapterTarget[], figuresOf: NonNullable<AdapterSettings['figuresOf']>, rsLora: boolean) {
  for (const { name, b } of targets) {
    const scale = scaleOf({ ...figuresOf(name), rsLora });
    b.forEach((value, n) => {
      b[n] = value * scale;
    });
  }
  const rank = Math.max(...targets.map((target) => target.rank));
  return { rank, alpha: rank, rsLora: false, isUneven: true as const };
}

async function readFinite(tensor: StoredTensor, path: string): Promise<Float32Array> {
  const values = await readTensor(tensor);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new DataError('tensor_not_finite', `${tensor.name} holds ${values[at]} at ${at}`, { file: path });
  return values;
}

/**
 * What chooses exactly the layers of the file. The config's own words stay where they do; where they choose more, the names of the layers take their
 * place: a layer without tensors is zero.
 * @throws DataError `bad_adapter` where PEFT would leave tensors of the file out, or a kind of layer has none
 */
function exactSelection(
  selection: Selection,
  layers: readonly LinearLayer[],
  config: NetworkConfig,
  { fields, path }: { fields: Fields; path: string },
): Selection {
  const isChosen = selector(selection, fields);
  const ignored = layers.find(({ name }) => !isChosen(name));
  if (ignored !== undefined) {
    const message = `${peftName(ignored.name, 'A')} is of a layer that ${ADAPTER_CONFIG} does not choose (target_modules, exclude_modules, layers_to_transform), so PEFT would leave it out`;
    throw new DataError('bad_adapter', message, { file: path });
  }
  const have = new Set(layers.map(({ name }) => name));
  const lost = adaptableLayers(config).filter(({ name }) => isChosen(name) && !have.has(name));
  // Single layers may be without tensors; a kind of layer that no block has may not.
  const kind = lost.map(({ name }) => name.split('.').at(-1)).find((last) => !layers.some(({ name }) => name.endsWith(`.${last}`)));
  if (kind !== undefined)
    throw fields.fault('target_modules', `names ${kind}, but ${ADAPTER_WEIGHTS} has no tensors for it`, 'bad_adapter');
  const isMore = lost.length > 0 || (!isAllLinear(selection.targetModules) && OTHER_MODULES.some(isChosen));
  return isMore ? { targetModules: moduleNames(layers, config) } : selection;
}

/** Modules without LoRA in attune that PEFT would give one: the head and the embeddings of decoders and encoders. */
const OTHER_MODULES = [
  'lm_head',
  'model.embed_tokens',
  'cls.predictions.decoder',
  ...['word', 'position', 'token_type'].map((kind) => `bert.embeddings.${kind}_embeddings`),
];
