/** Mistral (Jiang et al. 2023): LLaMA with a sliding window in every layer. */
import { decoderFamily } from '../decoder.js';

export const mistral = decoderFamily({
  architecture: 'MistralForCausalLM',
  kvHeads: 8,
  context: 131072,
  biases: () => ({ queryKeyValue: false, output: false, mlp: false }),
  headNorms: false,
  // Null switches the window off, a missing key is transformers' 4096.
  windows: (fields, layers) => Array(layers).fill(fields.states('sliding_window') ? fields.count('sliding_window', 0) : 4096),
});
