// Encoders of the BERT family: config.json, spellings of their tensors, and the names that PEFT knows their layers by.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chosenLayers, moduleNames } from '../../lib/checkpoint/adapter.js';
import { newAdapter } from '../../lib/checkpoint/adapter_new.js';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { writeAdapter } from '../../lib/checkpoint/adapter_write.js';
import { networkConfig } from '../../lib/checkpoint/config.js';
import { readJson } from '../../lib/checkpoint/json_file.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { type JsonObject, type RawTensor, scratchFolder, tinyTensors, writeWeights } from '../support/tiny_model.js';

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
      encoder: { types: 2, activation: 'gelu' },
    });
    const tanh = networkConfig({ ...CONFIG, hidden_act: 'gelu_new', type_vocab_size: 1 }, 'config.json');
    expect(tanh.encoder).toEqual({ types: 1, activation: 'gelu_tanh' });
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
    await expect(openModelFolder(write([...tensors, { ...bias, name: 'lm_head.weight' }]))).rejects.toMatchObject({
      code: 'tensor_unexpected',
    });
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

  it('is written without a task, which PEFT has not got for masked words, and read again', async () => {
    const folder = join(room, 'adapter');
    const adapter = newAdapter({ rank: 2, alpha: 4, targets: 'all-linear', dropout: 0, rsLora: false, seed: 1 }, config);
    await writeAdapter(folder, adapter, 'base');
    expect(await readJson(join(folder, 'adapter_config.json'))).toMatchObject({ task_type: null, target_modules: adapter.targetModules });
    expect((await readAdapter(folder, config)).targets).toEqual(adapter.targets);
  });
});
