/**
 * Encoders of the BERT family (Devlin et al. 2018): config.json with the defaults of transformers 5 (models/bert/configuration_bert.py), and names and
 * shapes of their tensors.
 */
import type { Fields } from '../../files/json_file.js';
import type { NetworkConfig, NetworkTensor } from '../../native.js';
import type { Family } from '../family.js';
import { MOST } from '../most.js';
import { linear, matrix, norm } from '../table.js';

const ACTIVATIONS: Record<string, 'gelu' | 'gelu_tanh'> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

type Sizes = Omit<NetworkConfig, 'tensors'>;

function sizesOf(fields: Fields): Sizes {
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
    types: fields.count('type_vocab_size', 2, 1, MOST.width),
    tied: true,
    norm: 'layer',
    normPlace: 'after',
    activation: known,
    gated: false,
    causal: false,
    positions: 'table',
    windows: Array(layers).fill(0),
    copies: COPIES,
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

const WORDS = 'bert.embeddings.word_embeddings';
const VOCABULARY_BIAS = 'cls.predictions.bias';

/** Copies of tied tensors that some checkpoints hold, and what they are copies of. */
const COPIES = {
  'cls.predictions.decoder.weight': `${WORDS}.weight`,
  'cls.predictions.decoder.bias': VOCABULARY_BIAS,
};

/** Every tensor of the network, the word embedding first. The decoder of the head is that embedding. */
function encoderTensors(sizes: Sizes): NetworkTensor[] {
  const { vocabulary, hidden, context, types, layers } = sizes;
  const because = `hidden_size ${hidden}`;
  const head = 'cls.predictions.transform';
  const rows = (key: string, count: number) => ({ because: `${key} ${count}, ${because}` });
  return [
    matrix(WORDS, 'words', vocabulary, hidden, rows('vocab_size', vocabulary)),
    matrix('bert.embeddings.position_embeddings', 'positions', context, hidden, rows('max_position_embeddings', context)),
    matrix('bert.embeddings.token_type_embeddings', 'types', types, hidden, rows('type_vocab_size', types)),
    ...norm('bert.embeddings.LayerNorm', 'norm1', hidden, { layer: 0, because }, true),
    ...Array.from({ length: layers }, (_, layer) => blockTensors(sizes, layer)).flat(),
    ...linear(`${head}.dense`, 'headDense', hidden, hidden, true, { because }),
    ...norm(`${head}.LayerNorm`, 'headNorm', hidden, { because }, true),
    { name: VOCABULARY_BIAS, places: ['vocabulary'], bias: true, shape: [vocabulary], because: `vocab_size ${vocabulary}` },
  ];
}

/** The norm behind a block is the one that the next begins with. */
function blockTensors({ hidden, inner, heads, layers }: Sizes, layer: number): NetworkTensor[] {
  const at = `bert.encoder.layer.${layer}`;
  const attention = { layer, because: `num_attention_heads ${heads}, hidden_size ${hidden}` };
  const mlp = { layer, because: `intermediate_size ${inner}, hidden_size ${hidden}` };
  const because = `hidden_size ${hidden}`;
  const after = layer + 1 < layers ? { layer: layer + 1, because } : { because };
  return [
    ...linear(`${at}.attention.self.query`, 'query', hidden, hidden, true, attention),
    ...linear(`${at}.attention.self.key`, 'key', hidden, hidden, true, attention),
    ...linear(`${at}.attention.self.value`, 'value', hidden, hidden, true, attention),
    ...linear(`${at}.attention.output.dense`, 'output', hidden, hidden, true, attention),
    ...norm(`${at}.attention.output.LayerNorm`, 'norm2', hidden, { layer, because }, true),
    ...linear(`${at}.intermediate.dense`, 'up', inner, hidden, true, mlp),
    ...linear(`${at}.output.dense`, 'down', hidden, inner, true, mlp),
    ...norm(`${at}.output.LayerNorm`, layer + 1 < layers ? 'norm1' : 'lastNorm', hidden, after, true),
  ];
}

/** Parts for other tasks than masked words, and constants: transformers leaves them out too. */
const OTHER_PARTS = /^bert\.pooler\.|^cls\.seq_relationship\.|^bert\.embeddings\.(position|token_type)_ids$/;

/** Checkpoints converted from TensorFlow call the parts of a norm gamma and beta. */
const nameOfToday = (name: string) => name.replace(/LayerNorm\.gamma$/, 'LayerNorm.weight').replace(/LayerNorm\.beta$/, 'LayerNorm.bias');

export const bert: Family = {
  architecture: 'BertForMaskedLM',
  parts: /^(bert\.(embeddings|encoder)|cls\.predictions)\..*\.(weight|bias)$/,
  read(fields) {
    const sizes = sizesOf(fields);
    return { ...sizes, tensors: encoderTensors(sizes) };
  },
  tensorName: (name) => (OTHER_PARTS.test(name) ? undefined : nameOfToday(name)),
};
