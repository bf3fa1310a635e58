/**
 * What the decoders of the LLaMA family share: spellings and defaults of config.json as transformers 5 has them (models/{llama,mistral,qwen2,qwen3}/
 * configuration_*.py), older spellings included, and names and shapes of their tensors. A file of families/ says how each differs.
 */
import type { Fields } from '../files/json_file.js';
import type { NetworkConfig, NetworkTensor } from '../native.js';
import type { Family } from './family.js';
import { MOST } from './most.js';
import { rotaryOf } from './rotary.js';
import { linear, matrix, norm } from './table.js';

/** How one family of decoders differs from the others. */
export interface DecoderFamily {
  architecture: string;
  /** Where config.json leaves the keys out. */
  kvHeads?: number;
  context: number;
  headSize?: number;
  biases(fields: Fields): Biases;
  /** A norm of each head of queries and keys. */
  headNorms: boolean;
  /** Tokens that a query of each layer sees; 0: all. */
  windows(fields: Fields, layers: number): number[];
}

/** Which linear layers have one. */
interface Biases {
  queryKeyValue: boolean;
  output: boolean;
  mlp: boolean;
}

type Sizes = Omit<NetworkConfig, 'tensors'>;

const PARTS =
  /^model\.layers\.\d+\.(self_attn\.[qkvo]_proj|self_attn\.[qk]_norm|mlp\.(gate|up|down)_proj|(input|post_attention)_layernorm)\.(weight|bias)$/;

/** A family whose tensors have LLaMA's names. */
export const decoderFamily = (family: DecoderFamily): Family => ({
  architecture: family.architecture,
  parts: PARTS,
  read(fields) {
    refuseOthers(fields);
    const sizes = sizesOf(fields, family);
    return { ...sizes, tensors: decoderTensors(sizes, family.biases(fields), family.headNorms) };
  },
});

function sizesOf(fields: Fields, family: DecoderFamily): Sizes {
  const hidden = fields.count('hidden_size', undefined, 1, MOST.width);
  const layers = fields.count('num_hidden_layers', undefined, 1, MOST.layers);
  const tied = fields.flag('tie_word_embeddings', false);
  const context = fields.count('max_position_embeddings', family.context, 1, MOST.tokens);
  return {
    vocabulary: fields.count('vocab_size', undefined, 1, MOST.tokens),
    hidden,
    inner: fields.count('intermediate_size', undefined, 1, MOST.width),
    layers,
    ...headsOf(fields, family, hidden),
    eps: fields.number('rms_norm_eps', 1e-6, 0),
    context,
    types: 0,
    tied,
    norm: 'rms',
    normPlace: 'before',
    activation: 'silu',
    gated: true,
    causal: true,
    positions: 'rotary',
    windows: family.windows(fields, layers),
    rotary: rotaryOf(fields, context),
    ...(tied ? { copies: { 'lm_head.weight': 'model.embed_tokens.weight' } } : {}),
  };
}

/** Settings that change the arithmetic in ways that attune does not compute. */
function refuseOthers(fields: Fields): void {
  const activation = fields.text('hidden_act', 'silu');
  if (activation !== 'silu' && activation !== 'swish') throw fields.fault('hidden_act', `"${activation}" is not supported; expected silu`);
  if (fields.has('quantization_config'))
    throw fields.fault('quantization_config', 'quantised checkpoints are not supported; use the f32, f16 or bf16 one');
  if (fields.number('partial_rotary_factor', 1) !== 1) throw fields.fault('partial_rotary_factor', 'is not supported; expected 1');
}

function headsOf(fields: Fields, family: DecoderFamily, hidden: number): Pick<NetworkConfig, 'heads' | 'kvHeads' | 'headSize'> {
  const heads = fields.count('num_attention_heads', undefined, 1, MOST.heads);
  const kvHeads = fields.count('num_key_value_heads', fields.states('num_key_value_heads') ? heads : (family.kvHeads ?? heads));
  if (heads % kvHeads !== 0) throw fields.fault('num_attention_heads', `${heads} heads cannot share num_key_value_heads ${kvHeads} evenly`);
  if (!fields.has('head_dim') && family.headSize === undefined && hidden % heads !== 0)
    throw fields.fault('num_attention_heads', `hidden_size ${hidden} is no multiple of ${heads} heads, and head_dim is not given`);
  const headSize = fields.count('head_dim', family.headSize ?? hidden / heads);
  if (headSize > MOST.headSize) throw fields.fault('head_dim', `${headSize} is more than ${MOST.headSize}`);
  if (headSize % 2 !== 0) throw fields.fault('head_dim', `${headSize} is odd; rotary embedding turns pairs`);
  return { heads, kvHeads, headSize };
}

/** Every tensor, in the order of the forward pass. A tied head has none of its own. */
function decoderTensors(sizes: Sizes, biases: Biases, headNorms: boolean): NetworkTensor[] {
  const { vocabulary, hidden, layers, tied } = sizes;
  const width = `hidden_size ${hidden}`;
  const because = `vocab_size ${vocabulary}, ${width}`;
  const blocks = Array.from({ length: layers }, (_, layer) => blockTensors(sizes, biases, headNorms, layer));
  return [
    matrix('model.embed_tokens', 'words', vocabulary, hidden, { because }),
    ...blocks.flat(),
    ...norm('model.norm', 'lastNorm', hidden, { because: width }),
    ...(tied ? [] : [matrix('lm_head', 'vocabulary', vocabulary, hidden, { because: `${because}, tie_word_embeddings false` })]),
  ];
}

function blockTensors(sizes: Sizes, biases: Biases, headNorms: boolean, layer: number): NetworkTensor[] {
  const { hidden, inner, heads, kvHeads, headSize } = sizes;
  const [at, width] = [`model.layers.${layer}`, { layer, because: `hidden_size ${hidden}` }];
  const query = { layer, because: `num_attention_heads ${heads}, head_dim ${headSize}, hidden_size ${hidden}` };
  const keyValue = { layer, because: `num_key_value_heads ${kvHeads}, head_dim ${headSize}, hidden_size ${hidden}` };
  const mlp = { layer, because: `intermediate_size ${inner}, hidden_size ${hidden}` };
  const head = { layer, because: `head_dim ${headSize}` };
  return [
    ...norm(`${at}.input_layernorm`, 'norm1', hidden, width),
    ...linear(`${at}.self_attn.q_proj`, 'query', heads * headSize, hidden, biases.queryKeyValue, query),
    ...linear(`${at}.self_attn.k_proj`, 'key', kvHeads * headSize, hidden, biases.queryKeyValue, keyValue),
    ...linear(`${at}.self_attn.v_proj`, 'value', kvHeads * headSize, hidden, biases.queryKeyValue, keyValue),
    ...linear(`${at}.self_attn.o_proj`, 'output', hidden, heads * headSize, biases.output, query),
    ...(headNorms ? norm(`${at}.self_attn.q_norm`, 'queryNorm', headSize, head) : []),
    ...(headNorms ? norm(`${at}.self_attn.k_norm`, 'keyNorm', headSize, head) : []),
    ...norm(`${at}.post_attention_layernorm`, 'norm2', hidden, width),
    ...linear(`${at}.mlp.gate_proj`, 'gate', inner, hidden, biases.mlp, mlp),
    ...linear(`${at}.mlp.up_proj`, 'up', inner, hidden, biases.mlp, mlp),
    ...linear(`${at}.mlp.down_proj`, 'down', hidden, inner, biases.mlp, mlp),
  ];
}
