// Weight decay touches the tensors that transformers' Trainer decays (test/reference/decay.py): matrices, no norms and no biases.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NativeModel } from '../../lib/native.js';
import { adapterOf, FIXTURES, family, hasModel, load, tensors } from './fixtures.js';

interface Recorded {
  /** Decayed tensors of all weights, by checkpoint. */
  models: Record<string, string[]>;
  adapter: string[];
}
const recorded = JSON.parse(readFileSync(resolve(FIXTURES, '../decay.json'), 'utf8')) as Recorded;

/** With gradients of 0 AdamW moves by decay alone: rate × decay is the share that goes. */
async function decayed(model: NativeModel): Promise<string[]> {
  const names = model.parameters().map(({ name }) => name);
  const ones = async (name: string) => model.write(name, 'value', new Float32Array((await model.read(name, 'value')).length).fill(1));
  for (const name of names) await ones(name);
  await model.step({ learningRate: 0.5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.5, scale: 1, step: 1 });
  const moved: string[] = [];
  for (const name of names) {
    const values = new Set(await model.read(name, 'value'));
    expect([...values], name).toEqual([values.has(1) ? 1 : 0.75]);
    if (values.has(0.75)) moved.push(name);
  }
  return moved.sort();
}

describe.skipIf(!hasModel)('weight decay', () => {
  it.each(Object.keys(recorded.models))('of all weights of %s takes what the Trainer takes', async (name) => {
    const model = await load(name, family(name).network, { train: 'all', threads: 1 });
    expect(await decayed(model)).toEqual(recorded.models[name]);
    model.dispose();
  });

  it('of an adapter takes both factors and the score head', async () => {
    const model = await load('qwen2', family('qwen2').network, { train: 'adapter', threads: 1 });
    const saved = tensors(resolve(FIXTURES, 'peft/score/adapter_model.safetensors'));
    await model.setAdapter(adapterOf(saved, 2));
    await model.setHead(saved.get('base_model.model.score.weight')!.values);
    expect(await decayed(model)).toEqual(recorded.adapter);
    model.dispose();
  });
});
