// rank_pattern and alpha_pattern: ranks and scales of single layers.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scaleOf } from '../../lib/checkpoint/adapter.js';
import { readPatterns } from '../../lib/checkpoint/adapter_patterns.js';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { mergeAdapter } from '../../lib/checkpoint/merge.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { readTensor } from '../../lib/checkpoint/safetensors.js';
import { parityOf } from '../../lib/evaluation/parity.js';
import { Fields } from '../../lib/files/json_file.js';
import { linearLayers } from '../../lib/network/linears.js';
import { parseRecipe } from '../../lib/recipe/index.js';
import { startingAdapter } from '../../lib/training/run/weights.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import { type JsonObject, type RawTensor, scratchFolder, writeTinyModel } from '../support/tiny_model.js';

const scratch = scratchFolder();

const PATTERNS = {
  rank_pattern: { q_proj: 2, 'layers\\.1\\..*_proj': 8, v_proj: 3, '^model.layers.0.mlp.up_proj': 1 },
  alpha_pattern: { 'layers.0.self_attn.q_proj': 5, down_proj: 1 },
};

/**
 * Rank and scale of each layer with r 4 and lora_alpha 8: `r` and `scaling` of PEFT 0.21.2's own LoraConfig and get_peft_model with these patterns
 * (transformers 5.24.0), all-linear on two layers of Llama. The third figure is the scale with use_rslora.
 */
const PEFT: Record<string, [number, number, number]> = {
  'model.layers.0.self_attn.q_proj': [2, 2.5, 3.5355339059327373],
  'model.layers.0.self_attn.k_proj': [4, 2, 4],
  'model.layers.0.self_attn.v_proj': [3, 2.6666666666666665, 4.618802153517007],
  'model.layers.0.self_attn.o_proj': [4, 2, 4],
  'model.layers.0.mlp.gate_proj': [4, 2, 4],
  'model.layers.0.mlp.up_proj': [1, 8, 8],
  'model.layers.0.mlp.down_proj': [4, 0.25, 0.5],
  'model.layers.1.self_attn.q_proj': [2, 4, 5.65685424949238],
  'model.layers.1.self_attn.k_proj': [8, 1, 2.82842712474619],
  'model.layers.1.self_attn.v_proj': [8, 1, 2.82842712474619],
  'model.layers.1.self_attn.o_proj': [8, 1, 2.82842712474619],
  'model.layers.1.mlp.gate_proj': [8, 1, 2.82842712474619],
  'model.layers.1.mlp.up_proj': [8, 1, 2.82842712474619],
  'model.layers.1.mlp.down_proj': [8, 0.125, 0.35355339059327373],
};

const floats = ({ bytes }: RawTensor) => new Float32Array(bytes.buffer);

/** Tensors of rank 8 cut to what PEFT gives each layer: rows of A, columns of B. */
function cut(tensors: RawTensor[]): RawTensor[] {
  return tensors.map((tensor) => {
    const [layer, factor] = tensor.name.replace('base_model.model.', '').split('.lora_') as [string, string];
    const [rank] = PEFT[layer]!;
    const isRow = factor.startsWith('A');
    const values = floats(tensor).filter((_, n) => (isRow ? n < rank * tensor.shape[1]! : n % 8 < rank));
    const shape = isRow ? [rank, tensor.shape[1]!] : [tensor.shape[0]!, rank];
    return { ...tensor, shape, bytes: new Uint8Array(values.buffer) };
  });
}

async function uneven(name: string, rsLora: boolean) {
  const base = await openModelFolder(writeTinyModel(join(scratch, `base-${name}`)));
  let raw: RawTensor[] = [];
  const edit = (config: JsonObject, tensors: RawTensor[]) => {
    Object.assign(config, PATTERNS, { r: 4, use_rslora: rsLora });
    raw = cut(tensors);
    return raw;
  };
  const folder = writeTinyAdapter(join(scratch, name), linearLayers(base.config), { rank: 8, edit });
  return { base, folder, raw, adapter: await readAdapter(folder, base.config) };
}

describe('patterns of ranks and scales', () => {
  it.each([false, true])('give each layer what PEFT gives it (rsLoRA: %s)', (rsLora) => {
    const figuresOf = readPatterns(PATTERNS, new Fields(PATTERNS, 'adapter_config.json'), { rank: 4, alpha: 8 })!;
    for (const [layer, [rank, plain, rs]] of Object.entries(PEFT)) {
      expect([layer, figuresOf(layer).rank]).toEqual([layer, rank]);
      expect(scaleOf({ ...figuresOf(layer), rsLora })).toBeCloseTo(rsLora ? rs : plain, 12);
    }
  });

  it.each([false, true])('are merged layer by layer, and the adapter computes what is merged (rsLoRA: %s)', async (rsLora) => {
    const { base, adapter, raw } = await uneven(`merged-${rsLora}`, rsLora);
    const out = join(scratch, `out-${rsLora}`);
    await mergeAdapter({ base, adapter, out });
    const merged = await openModelFolder(out);
    for (const [layer, [rank, plain, rs]] of Object.entries(PEFT)) {
      const [a, b] = raw.filter((one) => one.name.includes(`${layer}.`)).map(floats) as [Float32Array, Float32Array];
      const [before, after] = await Promise.all(
        [base, merged].map(({ tensors }) => readTensor(tensors.find(({ name }) => name === `${layer}.weight`)!)),
      );
      const inputs = a.length / rank;
      for (const n of after!.keys()) {
        let [sum, size] = [0, Math.abs(before![n]!)];
        for (let k = 0; k < rank; k++) {
          const term = (rsLora ? rs : plain) * b[Math.floor(n / inputs) * rank + k]! * a[k * inputs + (n % inputs)]!;
          sum += term;
          size += Math.abs(term);
        }
        // B times its scale and the merged weight are each rounded to f32 once.
        expect(Math.abs(after![n]! - before![n]! - sum)).toBeLessThanOrEqual(2 * 2 ** -24 * size);
      }
    }
    expect(await parityOf(base, adapter, out, 1)).toMatchObject({ good: true, greedyMatch: 1 });
  });

  it('are not trained further, and it says what to do', async () => {
    const { base, folder } = await uneven('further', false);
    const read = parseRecipe({ model: base.folder, data: 'd.jsonl', method: 'sft', adapter: { from: folder }, out: 'o' });
    const started = startingAdapter(read.recipe, base, read);
    await expect(started).rejects.toMatchObject({ code: 'bad_adapter', message: expect.stringMatching(/rank_pattern.*merge/) });
  });
});
