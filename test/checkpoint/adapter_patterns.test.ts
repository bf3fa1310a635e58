// rank_pattern and alpha_pattern: ranks and scales of single layers.
import { readFileSync } from 'node:fs';
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

interface Recorded {
  patterns: { rank_pattern: Record<string, number>; alpha_pattern: Record<string, number> };
  /** With r 4 and lora_alpha 8, all-linear on two layers of Llama. */
  layers: Record<string, { rank: number; scale: number; rsLora: number }>;
}
const file = new URL('../reference/adapter_patterns.json', import.meta.url);
const { patterns: PATTERNS, layers: PEFT } = JSON.parse(readFileSync(file, 'utf8')) as Recorded;

const floats = ({ bytes }: RawTensor) => new Float32Array(bytes.buffer);

/** Tensors of rank 8 cut to what PEFT gives each layer: rows of A, columns of B. */
function cut(tensors: RawTensor[]): RawTensor[] {
  return tensors.map((tensor) => {
    const [layer, factor] = tensor.name.replace('base_model.model.', '').split('.lora_') as [string, string];
    const { rank } = PEFT[layer]!;
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
    for (const [layer, recorded] of Object.entries(PEFT)) {
      expect([layer, figuresOf(layer).rank]).toEqual([layer, recorded.rank]);
      expect([layer, scaleOf({ ...figuresOf(layer), rsLora })]).toEqual([layer, rsLora ? recorded.rsLora : recorded.scale]);
    }
  });

  it.each([false, true])('are merged layer by layer, and the adapter computes what is merged (rsLoRA: %s)', async (rsLora) => {
    const { base, adapter, raw } = await uneven(`merged-${rsLora}`, rsLora);
    const out = join(scratch, `out-${rsLora}`);
    await mergeAdapter({ base, adapter, out });
    const merged = await openModelFolder(out);
    for (const [layer, recorded] of Object.entries(PEFT)) {
      const [a, b] = raw.filter((one) => one.name.includes(`${layer}.`)).map(floats) as [Float32Array, Float32Array];
      const [before, after] = await Promise.all(
        [base, merged].map(({ tensors }) => readTensor(tensors.find(({ name }) => name === `${layer}.weight`)!)),
      );
      const { rank } = recorded;
      const scale = rsLora ? recorded.rsLora : recorded.scale;
      const inputs = a.length / rank;
      for (const n of after!.keys()) {
        let [sum, size] = [0, Math.abs(before![n]!)];
        for (let k = 0; k < rank; k++) {
          const term = scale * b[Math.floor(n / inputs) * rank + k]! * a[k * inputs + (n % inputs)]!;
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
