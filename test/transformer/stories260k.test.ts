// The real 260K-parameter model of the shared material: figures by transformers, an adapter by PEFT. Skipped where the material is not there.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NetworkConfig } from '../../lib/native.js';
import { networkConfig } from '../../lib/network/config.js';
import { expectNear, expectRatio } from '../support/bounds.js';
import { adapterOf, batchOf, gradientsOf, hasModel, loadFile, passes, shared, tensors } from './fixtures.js';

const folder = shared('data/models/stories260k');
if (!folder) console.warn('stories260k: skipped, no ../shared/data/models/stories260k (ATTUNE_SHARED names another place)');

const network: NetworkConfig = networkConfig(
  {
    architectures: ['LlamaForCausalLM'],
    vocab_size: 512,
    hidden_size: 64,
    intermediate_size: 172,
    num_hidden_layers: 5,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 512,
    tie_word_embeddings: true,
  },
  'config.json of stories260k',
);

interface Reference {
  greedy: { prompt_ids: number[]; new_ids: number[] }[];
  train_step: { loss: number; grad_norm: Record<string, number>; total_grad_norm: number };
}
/**
 * How far the recorded figures, float32's by torch 2.13, lie from float64's at most (float64 by the same program, on the same files): another program in
 * float32 may lie twice as far on the other side. Measured of the three times that are allowed: 1.2 on AVX2 and AVX-512 (the same bits), 1.3 on the reference.
 */
const OFF = { logits: 3.4e-7, loss: 2.3e-7, norm: 6.3e-7, gradient: 2.6e-6 };
const norm = (values: Float32Array) => Math.sqrt(values.reduce((total, x) => total + x * x, 0));

describe.skipIf(!folder || !hasModel)('stories260k', () => {
  const at = (file: string) => resolve(folder!, file);
  const load = (setting: Parameters<typeof loadFile>[2] = {}) => loadFile(at('model.safetensors'), network, setting);
  const reference = () => JSON.parse(readFileSync(at('reference_dev.json'), 'utf8')) as Reference;

  it('has the logits of transformers, three texts at once', async () => {
    const expected = tensors(at('reference_dev.safetensors'));
    const texts = [0, 1, 2].map((n) => Array.from(expected.get(`ids_${n}`)!.values));
    const model = await load({ threads: 2 });
    const { tokens, sequenceStarts } = batchOf(texts);
    const logits = await model.logits(tokens, sequenceStarts);
    for (const [n, text] of texts.entries()) {
      const from = sequenceStarts[n]! * 512;
      const got = logits.subarray(from, from + text.length * 512);
      expectNear(got, expected.get(`logits_${n}`)!.values, 3 * OFF.logits, `logits of text ${n}`);
    }
    model.dispose();
  });

  it('has the loss, norms and gradients of a training step on a padded batch', async () => {
    const expected = tensors(at('reference_dev.safetensors'));
    const column = (name: string) =>
      Array.from({ length: 4 }, (_, n) => Array.from(expected.get(name)!.values.subarray(n * 64, n * 64 + 64)));
    const kept = column('batch_mask').map((row) => row.filter(Boolean).length);
    const ids = column('batch_ids').map((row, n) => row.slice(0, kept[n]));
    const trained = column('batch_labels').map((row, n) => row.slice(0, kept[n]).map((label, i) => Number(i > 0 && label !== -100)));
    const model = await load({ train: 'all' });
    const { loss } = await passes(model, batchOf(ids, trained));
    const { train_step: step } = reference();
    expectRatio(loss, step.loss, 3 * OFF.loss, 'loss');
    expectRatio(await model.gradientNorm(), step.total_grad_norm, 3 * OFF.norm, 'norm');
    const gradients = await gradientsOf(model);
    expect([...gradients.keys()].sort()).toEqual(Object.keys(step.grad_norm).sort());
    for (const [name, values] of gradients) expectRatio(norm(values), step.grad_norm[name]!, 3 * OFF.norm, name);
    for (const [name, { values }] of expected) {
      if (name.startsWith('grad.')) expectNear(gradients.get(name.slice(5))!, values, 3 * OFF.gradient, name);
    }
    model.dispose();
  });

  it('continues texts as transformers does', async () => {
    const model = await load();
    for (const { prompt_ids, new_ids } of reference().greedy) {
      const generation = model.startGeneration(prompt_ids.length + new_ids.length);
      await generation.feed(Int32Array.from(prompt_ids));
      const got: number[] = [];
      for (const _ of new_ids) {
        got.push(generation.sample({ temperature: 0, unit: 0 }).id);
        await generation.feed(Int32Array.of(got.at(-1)!));
      }
      expect(got).toEqual(new_ids);
      generation.dispose();
    }
    model.dispose();
  });

  it.each(['none', 'adapter'] as const)("has PEFT's logits with its adapter (train: %s)", async (train) => {
    const expected = tensors(at('lora_dev/expected.safetensors'));
    const ids = Array.from(expected.get('ids')!.values);
    const model = await load({ train });
    await model.setAdapter(adapterOf(tensors(at('lora_dev/adapter_model.safetensors')), 16 / 8));
    const logits = await model.logits(Int32Array.from(ids), Int32Array.of(0, ids.length));
    expectNear(logits, expected.get('logits')!.values, 3 * OFF.logits, 'logits');
    model.dispose();
  });
});
