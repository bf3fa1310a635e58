/** Names and shapes of the tensors that a network of a given config has, as transformers names them, and why they have those shapes. */
import type { NetworkConfig } from '../native.js';
import { encoderHead, encoderLinears, encoderTensors } from './encoder.js';
import type { ExpectedTensor, LinearLayer } from './tensor.js';

/** The linear layers of all blocks, in the order of the forward pass: those that `all-linear` means. */
export function linearLayers(config: NetworkConfig): LinearLayer[] {
  if (config.encoder !== undefined) return encoderLinears(config);
  const { hidden, inner, heads, kvHeads, headSize, queryKeyValueBias, outputBias, mlpBias } = config;
  const query = `num_attention_heads ${heads}, head_dim ${headSize}, hidden_size ${hidden}`;
  const keyValue = `num_key_value_heads ${kvHeads}, head_dim ${headSize}, hidden_size ${hidden}`;
  const mlp = `intermediate_size ${inner}, hidden_size ${hidden}`;
  const block: LinearLayer[] = [
    { name: 'self_attn.q_proj', inputs: hidden, outputs: heads * headSize, bias: queryKeyValueBias, because: query },
    { name: 'self_attn.k_proj', inputs: hidden, outputs: kvHeads * headSize, bias: queryKeyValueBias, because: keyValue },
    { name: 'self_attn.v_proj', inputs: hidden, outputs: kvHeads * headSize, bias: queryKeyValueBias, because: keyValue },
    { name: 'self_attn.o_proj', inputs: heads * headSize, outputs: hidden, bias: outputBias, because: query },
    { name: 'mlp.gate_proj', inputs: hidden, outputs: inner, bias: mlpBias, because: mlp },
    { name: 'mlp.up_proj', inputs: hidden, outputs: inner, bias: mlpBias, because: mlp },
    { name: 'mlp.down_proj', inputs: inner, outputs: hidden, bias: mlpBias, because: mlp },
  ];
  return Array.from({ length: config.layers }, (_, n) => block.map((one) => ({ ...one, name: `model.layers.${n}.${one.name}` }))).flat();
}

/** What LoRA may sit on: the layers of all blocks, and of an encoder that of its head. */
export const adaptableLayers = (config: NetworkConfig): LinearLayer[] =>
  config.encoder === undefined ? linearLayers(config) : [...linearLayers(config), encoderHead(config)];

/** Every tensor of the network, in the order of the forward pass. A tied head has none of its own. */
export function expectedTensors(config: NetworkConfig): ExpectedTensor[] {
  if (config.encoder !== undefined) return encoderTensors(config);
  const { vocabulary, hidden, layers, tied } = config;
  const rows = { shape: [vocabulary, hidden], because: `vocab_size ${vocabulary}, hidden_size ${hidden}` };
  const linears = linearLayers(config);
  const blocks = Array.from({ length: layers }, (_, n) => blockTensors(config, `model.layers.${n}.`, linears.slice(n * 7, n * 7 + 7)));
  return [
    { name: 'model.embed_tokens.weight', ...rows },
    ...blocks.flat(),
    { name: 'model.norm.weight', shape: [hidden], because: `hidden_size ${hidden}` },
    ...(tied ? [] : [{ name: 'lm_head.weight', ...rows, because: `${rows.because}, tie_word_embeddings false` }]),
  ];
}

/** The head of a network that scores sequences, in place of `lm_head.weight`. */
export const scoreTensor = ({ hidden }: NetworkConfig): ExpectedTensor => ({
  name: 'score.weight',
  shape: [1, hidden],
  because: `one label, hidden_size ${hidden}`,
});

function blockTensors(config: NetworkConfig, prefix: string, linears: LinearLayer[]): ExpectedTensor[] {
  const norm = (name: string, size: number, because: string) => ({ name: `${prefix}${name}.weight`, shape: [size], because });
  const attention = linears.slice(0, 4).flatMap(linearTensors);
  const headNorms = config.queryKeyNorm ? ['q_norm', 'k_norm'] : [];
  return [
    norm('input_layernorm', config.hidden, `hidden_size ${config.hidden}`),
    ...attention,
    ...headNorms.map((name) => norm(`self_attn.${name}`, config.headSize, `head_dim ${config.headSize}`)),
    norm('post_attention_layernorm', config.hidden, `hidden_size ${config.hidden}`),
    ...linears.slice(4).flatMap(linearTensors),
  ];
}

function linearTensors({ name, inputs, outputs, bias, because }: LinearLayer): ExpectedTensor[] {
  const weight = { name: `${name}.weight`, shape: [outputs, inputs], because };
  return bias ? [weight, { name: `${name}.bias`, shape: [outputs], because: `${because}, biases as config.json has them` }] : [weight];
}
