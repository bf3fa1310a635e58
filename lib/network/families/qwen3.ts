/** Qwen3 (Yang et al. 2025): LLaMA with a norm of each head of queries and keys. */
import { decoderFamily } from '../decoder.js';
import { qwenWindows } from '../windows.js';

export const qwen3 = decoderFamily({
  architecture: 'Qwen3ForCausalLM',
  kvHeads: 32,
  context: 32768,
  headSize: 128,
  biases(fields) {
    const attention = fields.flag('attention_bias', false);
    return { queryKeyValue: attention, output: attention, mlp: false };
  },
  headNorms: true,
  windows: qwenWindows,
});
