// Encoders of the BERT family: config.json, spellings of their tensors, and the names that PEFT knows their layers by.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chosenLayers, moduleNames } from '../../lib/checkpoint/adapter.js';
import { newAdapter } from '../../lib/checkpoint/adapter_new.js';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { writeAdapter } from '../../lib/checkpoint/adapter_write.js';
import { mergeAdapter } from '../../lib/checkpoint/merge.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../../lib/checkpoint/native_model.js';
import { readTensor } from '../../lib/checkpoint/safetensors.js';
import { readJson } from '../../lib/files/json_file.js';
import { networkConfig } from '../../lib/network/config.js';
import { compare } from '../kernels/harness.js';
import { type JsonObject, type RawTensor, scratchFolder, tinyTensors, writeWeights } from '../support/tiny_model.js';
import { FIXTURES } from '../transformer/fixtures.js';

const CONFIG: JsonObject = {
  architectures: ['BertForMaskedLM'],
  model_type: 'bert',
  vocab_size: 40,
  hidden_size: 24,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 3,
  max_position_embeddings: 16,
};
const room = scratchFolder();
let folders = 0;

function write(tensors: RawTensor[], config = CONFIG): string {
  const folder = join(room, `${folders++}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeWeights(folder, tensors);
  return folder;
}
const tensors = tinyTensors(CONFIG);
const named = (name: string) => tensors.find((one) => one.name === name) as RawTensor;
const WORDS = 'bert.embeddings.word_embeddings.weight';

describe('config.json of an encoder', () => {
  it('takes what is left out from transformers', () => {
    expect(networkConfig(CONFIG, 'config.json')).toMatchObject({
      headSize: 8,
      eps: 1e-12,
      tied: true,
      causal: false,
      types: 2,
      activation: 'gelu',
    });
    const tanh = networkConfig({ ...CONFIG, hidden_act: 'gelu_new', type_vocab_size: 1 }, 'config.json');
    expect(tanh).toMatchObject({ types: 1, activation: 'gelu_tanh' });
  });

  it.each([
    ['hidden_act', 'relu'],
    ['position_embedding_type', 'relative_key'],
    ['is_decoder', true],
    ['tie_word_embeddings', false],
    ['num_attention_heads', 5],
  ])('refuses %s %s', (key, value) => {
    expect(() => networkConfig({ ...CONFIG, [key]: value }, 'config.json')).toThrow(key);
  });
});

describe('tensors of an encoder', () => {
  it('takes the spelling of TensorFlow, parts for other tasks and copies of tied tensors', async () => {
    const old = (name: string) => name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta');
    const more = [
      { ...named('bert.encoder.layer.0.attention.output.dense.weight'), name: 'bert.pooler.dense.weight' },
      { ...named('bert.embeddings.LayerNorm.bias'), name: 'cls.seq_relationship.bias' },
      { ...named(WORDS), name: 'cls.predictions.decoder.weight' },
      { ...named('cls.predictions.bias'), name: 'cls.predictions.decoder.bias' },
    ];
    const { tensors: found, headCopy } = await openModelFolder(
      write([...tensors.map((one) => ({ ...one, name: old(one.name) })), ...more]),
    );
    expect(found.map(({ name }) => name)).toEqual(tensors.map(({ name }) => name));
    expect(found[0]?.name).toBe(WORDS);
    expect(headCopy).toBeUndefined();
  });

  it('refuses a decoder of its own, and tensors of another network', async () => {
    const bias = named('cls.predictions.bias');
    const other = { ...bias, name: 'cls.predictions.decoder.bias', bytes: bias.bytes.map((byte) => byte ^ 1) };
    await expect(openModelFolder(write([...tensors, other]))).rejects.toThrow('differs from cls.predictions.bias');
    const layer = { ...bias, name: 'bert.encoder.layer.9.output.dense.bias' };
    await expect(openModelFolder(write([...tensors, layer]))).rejects.toMatchObject({ code: 'tensor_unexpected' });
    const { warnings } = await openModelFolder(write([...tensors, { ...bias, name: 'lm_head.weight' }]));
    expect(warnings[0]?.message).toContain('lm_head.weight');
    await expect(openModelFolder(write(tensors.slice(1)))).rejects.toThrow(`${WORDS} is missing: expected [40, 24]`);
  });
});

describe('an adapter of an encoder', () => {
  const config = networkConfig(CONFIG, 'config.json');

  it('names its layers so that PEFT finds these and none of the head', () => {
    expect(moduleNames(chosenLayers('all-linear', config), config)).toEqual(
      ['attention.output.dense', 'intermediate.dense', 'key', 'output.dense', 'query', 'value'].sort(),
    );
    expect(moduleNames(chosenLayers(['query', 'value'], config), config)).toEqual(['query', 'value']);
  });

  it('may sit on the head, which a name finds and all-linear leaves out', () => {
    const head = 'cls.predictions.transform.dense';
    const named = (targets: string[]) => chosenLayers(targets, config).map(({ name }) => name);
    expect(named(['transform.dense'])).toEqual([head]);
    expect(named(['dense']).filter((name) => name === head)).toHaveLength(1);
    expect(named(['output.dense'])).not.toContain(head);
    expect(chosenLayers('all-linear', config).map(({ name }) => name)).not.toContain(head);
    expect(moduleNames([{ name: head }], config)).toEqual(['transform.dense']);
    expect(() => chosenLayers(['cls.predictions.decoder'], config)).toThrow('cls.predictions.decoder is no linear layer of the model');
  });

  it('on the head alone is of no task either, is read again, and merged into that layer', async () => {
    const folder = join(room, 'head alone');
    const targets = ['cls.predictions.transform.dense'];
    const made = newAdapter({ rank: 2, alpha: 4, targets, dropout: 0, rsLora: false, seed: 1 }, config);
    const adapter = { ...made, targets: made.targets.map((target) => ({ ...target, b: target.b.map((_, i) => (i % 5) - 2) })) };
    await writeAdapter(folder, adapter, 'base');
    expect(await readJson(join(folder, 'adapter_config.json'))).toMatchObject({ task_type: null, target_modules: ['transform.dense'] });
    expect(await readAdapter(folder, config)).toMatchObject({
      targets: adapter.targets,
      selection: { targetModules: ['transform.dense'] },
    });
    const base = await openModelFolder(write(tensors));
    const out = join(room, 'merged head');
    await mergeAdapter({ base, adapter, out });
    const merged = await openModelFolder(out);
    for (const [n, tensor] of base.tensors.entries()) {
      const [before, after] = [await readTensor(tensor), await readTensor(merged.tensors[n]!)];
      if (tensor.name === `${targets}.weight`) expect(after).not.toEqual(before);
      else expect(after).toEqual(before);
    }
  });

  it('of PEFT with every `dense` has the logits that PEFT has', async () => {
    const folder = resolve(FIXTURES, 'peft/encoder');
    const { base, ids, logits } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
    const model = await openModelFolder(resolve(FIXTURES, base));
    const adapter = await readAdapter(folder, model.config);
    expect(adapter.targets.map(({ name }) => name)).toContain('cls.predictions.transform.dense');
    const native = await loadNative(model, { dtype: 'f32', threads: 1 });
    await native.setAdapter(nativeAdapter(adapter));
    const found = await native.logits(Int32Array.from(ids), Int32Array.of(0, ids.length));
    compare(found, Float32Array.from(logits.flat()), 1e-4, 'logit');
    native.dispose();
    const out = join(scratchFolder(), 'merged');
    await mergeAdapter({ base: model, adapter, out });
    const merged = await loadNative(await openModelFolder(out), { dtype: 'f32', threads: 1 });
    compare(await merged.logits(Int32Array.from(ids), Int32Array.of(0, ids.length)), found, 1e-4, 'logit');
    merged.dispose();
  });

  it('is written without a task, which PEFT has not got for masked words, and read again', async () => {
    const folder = join(room, 'adapter');
    const adapter = newAdapter({ rank: 2, alpha: 4, targets: 'all-linear', dropout: 0, rsLora: false, seed: 1 }, config);
    await writeAdapter(folder, adapter, 'base');
    expect(await readJson(join(folder, 'adapter_config.json'))).toMatchObject({
      task_type: null,
      target_modules: adapter.selection.targetModules,
    });
    expect((await readAdapter(folder, config)).targets).toEqual(adapter.targets);
  });
});
