/** LLaMA (Touvron et al. 2023; Grattafiori et al. 2024), and the many models that are LLaMA by another name. */
import { decoderFamily } from '../decoder.js';

export const llama = decoderFamily({
  architecture: 'LlamaForCausalLM',
  context: 2048,
  biases(fields) {
    const attention = fields.flag('attention_bias', false);
    return { queryKeyValue: attention, output: attention, mlp: fields.flag('mlp_bias', false) };
  },
  headNorms: false,
  windows: (_fields, layers) => Array(layers).fill(0),
});
