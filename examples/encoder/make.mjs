// Makes a small BERT with random numbers in build/encoder, for examples/mlm.yaml: config.json, vocab.txt from the words of the field notes, weights.
//
//   node examples/encoder/make.mjs [FOLDER]      another folder than build/encoder
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { normals, safetensors } from '../embedded-model/start.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? resolve(here, '../../build/encoder'));

// Heads of 64, two layers: the shape of the smallest published BERT (google/bert_uncased_L-2_H-128), with fewer words.
const CONFIG = {
  architectures: ['BertForMaskedLM'],
  model_type: 'bert',
  vocab_size: 2048,
  hidden_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 512,
  hidden_act: 'gelu',
  max_position_embeddings: 512,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  pad_token_id: 0,
  torch_dtype: 'float32',
};

/** BERT's five, then every letter and sign alone and within a word, then the most frequent words. */
function vocabulary(text, size) {
  const words = text.toLowerCase().match(/\p{L}+|\p{N}|[^\s\p{L}\p{N}]/gu) ?? [];
  const counts = new Map();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const letters = [...new Set([...'abcdefghijklmnopqrstuvwxyz0123456789', ...words.join('')])].sort();
  const frequent = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([word]) => word);
  const pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...letters, ...letters.map((letter) => `##${letter}`), ...frequent];
  return [...new Set(pieces)].slice(0, size);
}

/** Names and shapes, as transformers has them. */
function shapes({ vocab_size: v, hidden_size: h, intermediate_size: f, max_position_embeddings: p, type_vocab_size: t, num_hidden_layers: layers }) {
  const dense = (name, outputs, inputs) => [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
  const norm = (name) => [
    [`${name}.LayerNorm.weight`, [h]],
    [`${name}.LayerNorm.bias`, [h]],
  ];
  const layer = (n) => {
    const name = `bert.encoder.layer.${n}`;
    return [
      ...['query', 'key', 'value'].flatMap((part) => dense(`${name}.attention.self.${part}`, h, h)),
      ...dense(`${name}.attention.output.dense`, h, h),
      ...norm(`${name}.attention.output`),
      ...dense(`${name}.intermediate.dense`, f, h),
      ...dense(`${name}.output.dense`, h, f),
      ...norm(`${name}.output`),
    ];
  };
  const table = (name, rows) => [`bert.embeddings.${name}_embeddings.weight`, [rows, h]];
  return [
    table('word', v),
    table('position', p),
    table('token_type', t),
    ...norm('bert.embeddings'),
    ...Array.from({ length: layers }, (_, n) => layer(n)).flat(),
    ['cls.predictions.bias', [v]],
    ...dense('cls.predictions.transform.dense', h, h),
    ...norm('cls.predictions.transform'),
  ];
}

/** As BERT starts: weights normal with deviation 0.02, norms 1, biases 0. */
function values(name, shape, next) {
  const size = shape.reduce((a, b) => a * b, 1);
  if (name.endsWith('.bias')) return new Float32Array(size);
  return name.endsWith('LayerNorm.weight') ? new Float32Array(size).fill(1) : Float32Array.from({ length: size }, () => 0.02 * next());
}

const notes = readFileSync(resolve(here, '../data/field-notes.txt'), 'utf8');
const pieces = vocabulary(notes, CONFIG.vocab_size);
const next = normals(1);
const config = { ...CONFIG, vocab_size: pieces.length };
const tensors = shapes(config).map(([name, shape]) => ({ name, shape, values: values(name, shape, next) }));
mkdirSync(folder, { recursive: true });
writeFileSync(resolve(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
writeFileSync(resolve(folder, 'vocab.txt'), `${pieces.join('\n')}\n`);
writeFileSync(resolve(folder, 'tokenizer_config.json'), `${JSON.stringify({ tokenizer_class: 'BertTokenizer', do_lower_case: true }, null, 2)}\n`);
writeFileSync(resolve(folder, 'model.safetensors'), safetensors(tensors, 'F32'));
console.log(`${folder}: ${pieces.length} pieces, ${tensors.reduce((sum, one) => sum + one.values.length, 0).toLocaleString('en')} random numbers`);
