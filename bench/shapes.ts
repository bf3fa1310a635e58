// Networks whose shapes benches use.
import type { NetworkConfig } from '../lib/native.js';
import { networkConfig } from '../lib/network/config.js';

const SMOLLM2_CONFIG = {
  architectures: ['LlamaForCausalLM'],
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  rms_norm_eps: 1e-5,
  rope_theta: 100000,
  max_position_embeddings: 8192,
  tie_word_embeddings: true,
};

/** SmolLM2-135M with other keys in its config.json. */
export const smollm2 = (change: Partial<typeof SMOLLM2_CONFIG> = {}): NetworkConfig =>
  networkConfig({ ...SMOLLM2_CONFIG, ...change }, 'config.json of SmolLM2-135M');

/** SmolLM2-135M: small enough for a laptop, large enough that matrix products decide. */
export const SMOLLM2_135M = smollm2();

export interface Linear {
  /** As in transformers, without `.weight`. */
  name: string;
  outputs: number;
  inputs: number;
}

/** The linear layers of a network, which a LoRA adapter on all linears changes. */
export function linears(n: NetworkConfig): Linear[] {
  const [queries, keys] = [n.heads * n.headSize, n.kvHeads * n.headSize];
  return Array.from({ length: n.layers }, (_, layer) => `model.layers.${layer}`).flatMap((at) => [
    { name: `${at}.self_attn.q_proj`, outputs: queries, inputs: n.hidden },
    { name: `${at}.self_attn.k_proj`, outputs: keys, inputs: n.hidden },
    { name: `${at}.self_attn.v_proj`, outputs: keys, inputs: n.hidden },
    { name: `${at}.self_attn.o_proj`, outputs: n.hidden, inputs: queries },
    { name: `${at}.mlp.gate_proj`, outputs: n.inner, inputs: n.hidden },
    { name: `${at}.mlp.up_proj`, outputs: n.inner, inputs: n.hidden },
    { name: `${at}.mlp.down_proj`, outputs: n.hidden, inputs: n.inner },
  ]);
}

/** Names and shapes of all tensors of a plain (bias-free) network. */
export function tensorShapes(n: NetworkConfig): [string, number[]][] {
  const norms = Array.from({ length: n.layers }, (_, l) => [
    `model.layers.${l}.input_layernorm.weight`,
    `model.layers.${l}.post_attention_layernorm.weight`,
  ]);
  return [
    ['model.embed_tokens.weight', [n.vocabulary, n.hidden]],
    ...linears(n).map(({ name, outputs, inputs }): [string, number[]] => [`${name}.weight`, [outputs, inputs]]),
    ...[...norms.flat(), 'model.norm.weight'].map((name): [string, number[]] => [name, [n.hidden]]),
    ...(n.tied ? [] : [['lm_head.weight', [n.vocabulary, n.hidden]] as [string, number[]]]),
  ];
}

/** Floating-point operations of a LoRA step: forward 2, gradient of the input 2 for every weight and token; causal attention counts half. */
export function loraStepFlops(n: NetworkConfig, sequences: number, length: number, rank: number): number {
  const tokens = sequences * length;
  const all = linears(n);
  const base = all.reduce((total, { outputs, inputs }) => total + outputs * inputs, 0);
  const low = all.reduce((total, { outputs, inputs }) => total + rank * (outputs + inputs), 0);
  const attention = (12 * n.layers * n.heads * n.headSize * length) / 2;
  return tokens * (4 * base + 6 * low + 6 * n.vocabulary * n.hidden + attention);
}
