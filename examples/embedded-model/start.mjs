// A LLaMA of 3.8 million random numbers: the checkpoint that pre-training starts from.
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

// Multiples of 64 throughout: heads of 64, no block of the kernels partly empty. 4,096 pieces of 256 numbers are a quarter of it, and tied.
export const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 4096,
  hidden_size: 256,
  intermediate_size: 640,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: null,
  eos_token_id: 0,
  torch_dtype: 'bfloat16',
};

function shapes(config) {
  const { vocab_size: v, hidden_size: h, intermediate_size: f, head_dim: d, num_attention_heads: q, num_key_value_heads: kv } = config;
  const layer = (n) => {
    const name = `model.layers.${n}`;
    return [
      [`${name}.input_layernorm.weight`, [h]],
      [`${name}.self_attn.q_proj.weight`, [q * d, h]],
      [`${name}.self_attn.k_proj.weight`, [kv * d, h]],
      [`${name}.self_attn.v_proj.weight`, [kv * d, h]],
      [`${name}.self_attn.o_proj.weight`, [h, q * d]],
      [`${name}.post_attention_layernorm.weight`, [h]],
      [`${name}.mlp.gate_proj.weight`, [f, h]],
      [`${name}.mlp.up_proj.weight`, [f, h]],
      [`${name}.mlp.down_proj.weight`, [h, f]],
    ];
  };
  const layers = Array.from({ length: config.num_hidden_layers }, (_, n) => layer(n)).flat();
  return [['model.embed_tokens.weight', [v, h]], ...layers, ['model.norm.weight', [h]]];
}

/** mulberry32 and Box-Muller: the same numbers on every machine. */
export function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Norms are 1, the rest normal with deviation 0.02; what writes into the residual stream is smaller by √(2 layers), as in GPT-2. */
function values(name, shape, config, next) {
  const count = shape.reduce((a, b) => a * b, 1);
  if (shape.length === 1) return new Float32Array(count).fill(1);
  const scale = /o_proj|down_proj/.test(name) ? 0.02 / Math.sqrt(2 * config.num_hidden_layers) : 0.02;
  return Float32Array.from({ length: count }, () => next() * scale);
}

/** Bytes of a safetensors file; `stored` is F32 or BF16 (rounded to nearest even). */
export function safetensors(tensors, stored) {
  const size = stored === 'BF16' ? 2 : 4;
  const header = { __metadata__: { format: 'pt' } };
  let at = 0;
  for (const { name, shape, values: numbers } of tensors) {
    header[name] = { dtype: stored, shape, data_offsets: [at, at + numbers.length * size] };
    at += numbers.length * size;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const parts = tensors.map(({ values: numbers }) => (stored === 'BF16' ? bf16(numbers) : Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)));
  return Buffer.concat([length, padded, ...parts]);
}

function bf16(numbers) {
  const bits = new Uint32Array(Float32Array.from(numbers).buffer);
  const out = Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);
  return Buffer.from(out.buffer);
}

/** Writes config.json, generation_config.json and model.safetensors (f32). */
export function writeStart(folder, seed = 1) {
  mkdirSync(folder, { recursive: true });
  const next = normals(seed);
  const tensors = shapes(CONFIG).map(([name, shape]) => ({ name, shape, values: values(name, shape, CONFIG, next) }));
  writeFileSync(resolve(folder, 'config.json'), `${JSON.stringify(CONFIG, null, 2)}\n`);
  writeFileSync(resolve(folder, 'generation_config.json'), `${JSON.stringify({ eos_token_id: CONFIG.eos_token_id }, null, 2)}\n`);
  writeFileSync(resolve(folder, 'model.safetensors'), safetensors(tensors, 'F32'));
  return tensors.reduce((total, { values: numbers }) => total + numbers.length, 0);
}
