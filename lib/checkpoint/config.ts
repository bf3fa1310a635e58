/**
 * A checkpoint's config.json as the shape of a network. Families, defaults and spellings are those of transformers 5
 * (models/{llama,mistral,qwen2,qwen3}/configuration_*.py), older spellings included. Encoders: encoder.ts.
 */
import { DataError } from '../errors/index.js';
import type { NetworkConfig } from '../native.js';
import { ENCODER, encoderConfig } from './encoder.js';
import { Fields, type Json } from './json_file.js';
import { MOST } from './most.js';
import { rotaryOf } from './rotary.js';

interface Family {
  /** Where config.json leaves the keys out. */
  kvHeads?: number;
  context: number;
  headSize?: number;
  biases(fields: Fields): Pick<NetworkConfig, 'queryKeyValueBias' | 'outputBias' | 'mlpBias'>;
  queryKeyNorm: boolean;
  windows(fields: Fields, layers: number): number[];
}

const FAMILIES: Record<string, Family> = {
  LlamaForCausalLM: {
    context: 2048,
    biases: (fields) => {
      const attention = fields.flag('attention_bias', false);
      return { queryKeyValueBias: attention, outputBias: attention, mlpBias: fields.flag('mlp_bias', false) };
    },
    queryKeyNorm: false,
    windows: (_fields, layers) => Array(layers).fill(0),
  },
  MistralForCausalLM: {
    kvHeads: 8,
    context: 131072,
    biases: () => ({ queryKeyValueBias: false, outputBias: false, mlpBias: false }),
    queryKeyNorm: false,
    // Every layer; null switches it off, a missing key is transformers' 4096.
    windows: (fields, layers) => Array(layers).fill(fields.states('sliding_window') ? fields.count('sliding_window', 0) : 4096),
  },
  Qwen2ForCausalLM: {
    kvHeads: 32,
    context: 32768,
    biases: () => ({ queryKeyValueBias: true, outputBias: false, mlpBias: false }),
    queryKeyNorm: false,
    windows: qwenWindows,
  },
  Qwen3ForCausalLM: {
    kvHeads: 32,
    context: 32768,
    headSize: 128,
    biases: (fields) => {
      const attention = fields.flag('attention_bias', false);
      return { queryKeyValueBias: attention, outputBias: attention, mlpBias: false };
    },
    queryKeyNorm: true,
    windows: qwenWindows,
  },
};

/** Architectures of decoders that attune knows, by the names in config.json. */
const ARCHITECTURES = Object.keys(FAMILIES);

const CAUSAL = 'ForCausalLM';
const SCORES = 'ForSequenceClassification';

export const rewardArchitecture = (name: string) => name.replace(CAUSAL, SCORES);
const causalArchitecture = (name: string) => name.replace(SCORES, CAUSAL);

/** Whether config.json is of a network that scores sequences and writes none: it has a head `score.weight` in place of `lm_head.weight`. */
export const scoresSequences = ({ architectures }: Json) =>
  Array.isArray(architectures) && architectures.some((name) => ARCHITECTURES.map(rewardArchitecture).includes(name));

/**
 * Reads the shape of a network from the content of config.json.
 * @param file path of config.json, for messages
 * @throws DataError `unknown_architecture`, `bad_config`
 */
export function networkConfig(config: Json, file: string): NetworkConfig {
  const fields = new Fields(config, file);
  if (fields.texts('architectures', []).includes(ENCODER)) return encoderConfig(fields);
  const family = familyOf(fields, file);
  refuseOthers(fields);
  const hidden = fields.count('hidden_size', undefined, 1, MOST.width);
  const layers = fields.count('num_hidden_layers', undefined, 1, MOST.layers);
  const context = fields.count('max_position_embeddings', family.context, 1, MOST.tokens);
  return {
    vocabulary: fields.count('vocab_size', undefined, 1, MOST.tokens),
    hidden,
    inner: fields.count('intermediate_size', undefined, 1, MOST.width),
    layers,
    ...headsOf(fields, family, hidden),
    eps: fields.number('rms_norm_eps', 1e-6, 0),
    context,
    tied: scoresSequences(config) || fields.flag('tie_word_embeddings', false),
    ...family.biases(fields),
    queryKeyNorm: family.queryKeyNorm,
    windows: family.windows(fields, layers),
    rotary: rotaryOf(fields, context),
  };
}

/** Most tokens that a network can see in one sequence; dynamic scaling widens it. */
export const contextOf = ({ context, rotary }: NetworkConfig) =>
  rotary.kind === 'dynamic' ? Math.floor(context * Math.max(1, rotary.factor)) : context;

function familyOf(fields: Fields, file: string): Family {
  const names = fields.texts('architectures', []);
  const name = names.map(causalArchitecture).find((one) => Object.hasOwn(FAMILIES, one));
  if (name !== undefined) return FAMILIES[name] as Family;
  const told = names.length > 0 ? names.join(', ') : 'none';
  const type = fields.has('model_type') ? ` (model_type ${fields.text('model_type')})` : '';
  throw new DataError(
    'unknown_architecture',
    `the architecture ${told}${type} is not supported; supported are ${[...ARCHITECTURES, ENCODER].join(', ')}`,
    { file },
  );
}

/** Settings that change the arithmetic in ways that attune does not compute. */
function refuseOthers(fields: Fields): void {
  const activation = fields.text('hidden_act', 'silu');
  if (activation !== 'silu' && activation !== 'swish') throw fields.fault('hidden_act', `"${activation}" is not supported; expected silu`);
  if (fields.has('quantization_config'))
    throw fields.fault('quantization_config', 'quantised checkpoints are not supported; use the f32, f16 or bf16 one');
  if (fields.number('partial_rotary_factor', 1) !== 1) throw fields.fault('partial_rotary_factor', 'is not supported; expected 1');
}

function headsOf(fields: Fields, family: Family, hidden: number): Pick<NetworkConfig, 'heads' | 'kvHeads' | 'headSize'> {
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

/** Only with `use_sliding_window`; then `layer_types`, or layers from `max_window_layers` on. */
function qwenWindows(fields: Fields, layers: number): number[] {
  const window = fields.flag('use_sliding_window', false) ? fields.count('sliding_window', fields.states('sliding_window') ? 0 : 4096) : 0;
  if (!fields.has('layer_types')) {
    const first = fields.count('max_window_layers', 28, 0);
    return Array.from({ length: layers }, (_, layer) => (layer >= first ? window : 0));
  }
  const types = fields.texts('layer_types');
  if (types.length !== layers) throw fields.fault('layer_types', `has ${types.length} entries for num_hidden_layers ${layers}`);
  const unknown = types.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (unknown !== undefined)
    throw fields.fault('layer_types', `"${unknown}" is not supported; expected full_attention or sliding_attention`);
  return types.map((type) => (type === 'sliding_attention' ? window : 0));
}
