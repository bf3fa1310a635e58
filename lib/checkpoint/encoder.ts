/**
 * Encoders of the BERT family (Devlin et al. 2018): config.json with the defaults of transformers 5 (models/bert/configuration_bert.py), and names and
 * shapes of their tensors.
 */
import type { NetworkConfig } from '../native.js';
import type { Fields } from './json_file.js';
import { MOST } from './most.js';
import { rotaryOf } from './rotary.js';
import type { ExpectedTensor, LinearLayer } from './tensor.js';

/** The architecture's name in config.json. */
export const ENCODER = 'BertForMaskedLM';

const ACTIVATIONS: Record<string, 'gelu' | 'gelu_tanh'> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

/** Shape of the network. @throws DataError `bad_config` for what changes the arithmetic in ways that attune does not compute */
export function encoderConfig(fields: Fields): NetworkConfig {
  const hidden = fields.count('hidden_size', undefined, 1, MOST.width);
  const layers = fields.count('num_hidden_layers', undefined, 1, MOST.layers);
  const heads = fields.count('num_attention_heads', undefined, 1, MOST.heads);
  if (hidden % heads !== 0 || (hidden / heads) % 2 !== 0)
    throw fields.fault('num_attention_heads', `hidden_size ${hidden} gives ${heads} heads no even size`);
  if (hidden / heads > MOST.headSize)
    throw fields.fault('num_attention_heads', `${heads} gives heads of ${hidden / heads}, more than ${MOST.headSize}`);
  const activation = fields.text('hidden_act', 'gelu');
  const known = Object.hasOwn(ACTIVATIONS, activation) ? ACTIVATIONS[activation] : undefined;
  const allowed = Object.keys(ACTIVATIONS).join(', ');
  if (known === undefined) throw fields.fault('hidden_act', `"${activation}" is not supported; expected ${allowed}`);
  refuseOthers(fields);
  const context = fields.count('max_position_embeddings', 512, 1, MOST.tokens);
  return {
    vocabulary: fields.count('vocab_size', 30522, 1, MOST.tokens),
    hidden,
    inner: fields.count('intermediate_size', undefined, 1, MOST.width),
    layers,
    heads,
    kvHeads: heads,
    headSize: hidden / heads,
    eps: fields.number('layer_norm_eps', 1e-12, 0),
    context,
    tied: true,
    queryKeyValueBias: true,
    outputBias: true,
    mlpBias: true,
    queryKeyNorm: false,
    windows: Array(layers).fill(0),
    rotary: rotaryOf(fields, context),
    encoder: { types: fields.count('type_vocab_size', 2, 1, MOST.width), activation: known },
  };
}

function refuseOthers(fields: Fields): void {
  const positions = fields.text('position_embedding_type', 'absolute');
  if (positions !== 'absolute') throw fields.fault('position_embedding_type', `"${positions}" is not supported; expected absolute`);
  for (const key of ['is_decoder', 'add_cross_attention'])
    if (fields.flag(key, false)) throw fields.fault(key, 'is not supported; expected false');
  if (!fields.flag('tie_word_embeddings', true)) throw fields.fault('tie_word_embeddings', 'false is not supported; expected true');
  if (fields.has('quantization_config'))
    throw fields.fault('quantization_config', 'quantised checkpoints are not supported; use the f32, f16 or bf16 one');
}

/** The linear layers of all blocks. */
export function encoderLinears({ hidden, inner, heads, layers }: NetworkConfig): LinearLayer[] {
  const attention = `num_attention_heads ${heads}, hidden_size ${hidden}`;
  const mlp = `intermediate_size ${inner}, hidden_size ${hidden}`;
  const square = { inputs: hidden, outputs: hidden, bias: true, because: attention };
  const block: LinearLayer[] = [
    { name: 'attention.self.query', ...square },
    { name: 'attention.self.key', ...square },
    { name: 'attention.self.value', ...square },
    { name: 'attention.output.dense', ...square },
    { name: 'intermediate.dense', inputs: hidden, outputs: inner, bias: true, because: mlp },
    { name: 'output.dense', inputs: inner, outputs: hidden, bias: true, because: mlp },
  ];
  return Array.from({ length: layers }, (_, n) => block.map((one) => ({ ...one, name: `bert.encoder.layer.${n}.${one.name}` }))).flat();
}

/** The linear layer of the head, between the last block and the vocabulary: LoRA may sit on it too. */
export const encoderHead = ({ hidden }: NetworkConfig): LinearLayer => ({
  name: 'cls.predictions.transform.dense',
  inputs: hidden,
  outputs: hidden,
  bias: true,
  because: `hidden_size ${hidden}`,
});

const WORDS = 'bert.embeddings.word_embeddings.weight';
const VOCABULARY_BIAS = 'cls.predictions.bias';

/** Every tensor of the network, the word embedding first. The decoder of the head is that embedding. */
export function encoderTensors(config: NetworkConfig): ExpectedTensor[] {
  const { vocabulary, hidden, context, encoder } = config;
  const width = `hidden_size ${hidden}`;
  const rows = (name: string, count: number, key: string) => ({ name, shape: [count, hidden], because: `${key} ${count}, ${width}` });
  const norm = (name: string) => ['weight', 'bias'].map((part) => ({ name: `${name}.${part}`, shape: [hidden], because: width }));
  const linear = ({ name, inputs, outputs, because }: LinearLayer): ExpectedTensor[] => [
    { name: `${name}.weight`, shape: [outputs, inputs], because },
    { name: `${name}.bias`, shape: [outputs], because },
    ...(name.endsWith('.output.dense') ? norm(name.replace(/dense$/, 'LayerNorm')) : []),
  ];
  return [
    rows(WORDS, vocabulary, 'vocab_size'),
    rows('bert.embeddings.position_embeddings.weight', context, 'max_position_embeddings'),
    rows('bert.embeddings.token_type_embeddings.weight', encoder?.types ?? 0, 'type_vocab_size'),
    ...norm('bert.embeddings.LayerNorm'),
    ...encoderLinears(config).flatMap(linear),
    { name: VOCABULARY_BIAS, shape: [vocabulary], because: `vocab_size ${vocabulary}` },
    ...linear(encoderHead(config)),
    ...norm('cls.predictions.transform.LayerNorm'),
  ];
}

/** Copies of tied tensors that some checkpoints hold, and what they are copies of. */
export const ENCODER_COPIES: ReadonlyMap<string, string> = new Map([
  ['cls.predictions.decoder.weight', WORDS],
  ['cls.predictions.decoder.bias', VOCABULARY_BIAS],
]);

/** Parts for other tasks than masked words, and constants: transformers leaves them out too. */
const OTHER_PARTS = /^bert\.pooler\.|^cls\.seq_relationship\.|^bert\.embeddings\.(position|token_type)_ids$/;

/** Tensors under the names of today: those converted from TensorFlow call the parts of a norm gamma and beta. */
export function renamedTensors<T extends { name: string }>(found: ReadonlyMap<string, T>): Map<string, T> {
  const today = (name: string) => name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  const kept = [...found.values()].filter(({ name }) => !OTHER_PARTS.test(name));
  return new Map(kept.map((tensor) => [today(tensor.name), { ...tensor, name: today(tensor.name) }]));
}
