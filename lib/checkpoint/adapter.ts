/** LoRA adapters: what one is, which layers it sits on, and how PEFT names its tensors. */
import { DataError, nearest, RequestError } from '../errors/index.js';
import type { AdapterTarget, NetworkConfig } from '../native.js';
import { adaptableLayers, linearLayers } from '../network/linears.js';
import type { LinearLayer } from '../network/table.js';
import { endsIn, type Selection } from './adapter_selection.js';
import type { CheckpointWarning } from './warning.js';

/** An adapter with its numbers in memory. */
export interface Adapter {
  rank: number;
  alpha: number;
  rsLora: boolean;
  /** Dropout that it was trained with. */
  dropout: number;
  /** What chooses these layers in adapter_config.json: as it was read, or the last parts of their names, full names where not every block has them. */
  selection: Selection;
  targets: AdapterTarget[];
  /** Whether its file has ranks or scales for single layers: `rank` is then the largest, and each B has its layer's scale in it. */
  isUneven?: true;
  /** (hidden) numbers of a scalar head: what a reward model scores with. */
  head?: Float32Array;
  /** What is worth telling of its folder. */
  warnings?: CheckpointWarning[];
}

/** Name in PEFT's file of the scalar head. */
export const HEAD_NAME = 'base_model.model.score.weight';

/** @throws DataError `reward_model` where an adapter that scores texts is asked to write or predict them */
export function refuseHead({ head }: Adapter, folder: string): void {
  if (head === undefined) return;
  throw new DataError('reward_model', 'is the adapter of a reward model: it scores texts and cannot write or predict any', {
    file: folder,
  });
}

/** alpha / rank, or alpha / √rank with rsLoRA. */
export const scaleOf = ({ alpha, rank, rsLora }: Pick<Adapter, 'alpha' | 'rank' | 'rsLora'>) => alpha / (rsLora ? Math.sqrt(rank) : rank);

/** Layers that `targets` names: as PEFT, a name stands for every layer that ends in it; all-linear leaves out the head of an encoder. */
export function chosenLayers(targets: 'all-linear' | readonly string[], config: NetworkConfig): LinearLayer[] {
  if (targets === 'all-linear') return linearLayers(config);
  const layers = adaptableLayers(config);
  const matches = (target: string, { name }: LinearLayer) => endsIn(name, target);
  const empty = targets.find((target) => !layers.some((layer) => matches(target, layer)));
  if (empty !== undefined) {
    const known = [...new Set(layers.map(({ name }) => name.split('.').at(-1) as string))];
    const guess = nearest(empty, known);
    const message = `adapter target ${empty} is no linear layer of the model; it has ${known.join(', ')}${guess ? `; did you mean ${guess}?` : ''}`;
    throw new RequestError('adapter_target', message);
  }
  return layers.filter((layer) => targets.some((target) => matches(target, layer)));
}

/** An encoder calls four layers `dense`, one of them of its head: they are told apart by what they are part of. */
const shortName = (name: string) => /(?:attention\.output|intermediate|output|transform)\.dense$|[^.]+$/.exec(name)?.[0] as string;

/** The shortest list of names that stands for exactly these layers. */
export function moduleNames(layers: readonly { name: string }[], config: NetworkConfig): string[] {
  const last = [...new Set(layers.map(({ name }) => shortName(name)))].sort();
  return chosenLayers(last, config).length === layers.length ? last : layers.map(({ name }) => name);
}

/** Name in PEFT's file of a layer's factor. */
export const peftName = (layer: string, factor: 'A' | 'B') => `base_model.model.${layer}.lora_${factor}.weight`;

/** Shapes of a target's factors: A (rank, inputs), B (outputs, rank). */
export const factorShapes = ({ rank, a, b }: AdapterTarget) => ({ a: [rank, a.length / rank], b: [b.length / rank, rank] });
