/** What an adapter may sit on, and what a score head is: read from a network's table of tensors. */
import type { NetworkConfig, NetworkTensor, Place } from '../native.js';
import type { ExpectedTensor, LinearLayer } from './table.js';

const OF_BLOCKS: ReadonlySet<Place> = new Set<Place>(['query', 'key', 'value', 'output', 'gate', 'up', 'down']);

const withoutPart = (name: string) => name.slice(0, name.lastIndexOf('.'));

/** The linear layers among `places`, in the order of the forward pass. */
function layersAt({ tensors }: NetworkConfig, places: ReadonlySet<Place>): LinearLayer[] {
  const biased = new Set(tensors.filter(({ bias }) => bias).map(({ name }) => withoutPart(name)));
  const isLinear = ({ bias, places: own }: NetworkTensor) => !bias && own.every((place) => places.has(place));
  return tensors.filter(isLinear).map(({ name, shape, transposed, because }) => {
    const [outputs = 0, inputs = 0] = transposed ? shape.toReversed() : shape;
    return { name: withoutPart(name), inputs, outputs, bias: biased.has(withoutPart(name)), because };
  });
}

/** The linear layers of all blocks: those that `all-linear` means. */
export const linearLayers = (config: NetworkConfig): LinearLayer[] => layersAt(config, OF_BLOCKS);

/** What LoRA may sit on: the layers of all blocks, and of an encoder that of its head. */
export const adaptableLayers = (config: NetworkConfig): LinearLayer[] => layersAt(config, new Set([...OF_BLOCKS, 'headDense']));

/** The head of a network that scores sequences, in place of `lm_head.weight`. */
export const scoreTensor = ({ hidden }: NetworkConfig): ExpectedTensor => ({
  name: 'score.weight',
  shape: [1, hidden],
  because: `one label, hidden_size ${hidden}`,
});
