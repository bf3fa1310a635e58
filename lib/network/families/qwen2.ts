/** Qwen2 and Qwen2.5 (Yang et al. 2024): LLaMA with biases on queries, keys and values. */
import { decoderFamily } from '../decoder.js';
import { qwenWindows } from '../windows.js';

export const qwen2 = decoderFamily({
  architecture: 'Qwen2ForCausalLM',
  kvHeads: 32,
  context: 32768,
  biases: () => ({ queryKeyValue: true, output: false, mlp: false }),
  headNorms: false,
  windows: qwenWindows,
});
