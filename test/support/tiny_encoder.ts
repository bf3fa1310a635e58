// A tiny encoder with random weights and BERT's vocab.txt, and recipes that train it.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyRecipe } from './events.js';
import { type JsonObject, tinyTensors, writeWeights } from './tiny_model.js';
import { writeTokenizer } from './tiny_tokenizer.js';

const WORDS = 'cells divide and grow while light falls on leaves that drink water from deep roots'.split(' ');
const DIGITS = [...'0123456789'];
const SPECIAL = '[PAD] [UNK] [CLS] [SEP] [MASK]'.split(' ');
const PIECES = [...SPECIAL, ...WORDS, ...DIGITS, ...DIGITS.map((digit) => `##${digit}`)];

const ENCODER_CONFIG: JsonObject = {
  architectures: ['BertForMaskedLM'],
  model_type: 'bert',
  vocab_size: PIECES.length,
  hidden_size: 24,
  intermediate_size: 40,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 64,
  dtype: 'float32',
};

/** Writes the folder and returns its path. `pieces` are the lines of vocab.txt. */
function writeTinyEncoder(folder: string, pieces = PIECES): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(ENCODER_CONFIG));
  writeFileSync(join(folder, 'vocab.txt'), `${pieces.join('\n')}\n`);
  writeWeights(folder, tinyTensors(ENCODER_CONFIG));
  return folder;
}

/** A recipe with `mlm` over made-up texts. */
export function encoderRecipe(folder: string, change: Record<string, unknown> = {}, tokenizer: 'words' | 'no mask' = 'words') {
  const recipe = tinyRecipe(folder, { method: 'mlm', ...change });
  const model = writeTinyEncoder(join(folder, 'encoder'));
  if (tokenizer === 'no mask') {
    rmSync(join(model, 'vocab.txt'));
    writeTokenizer(model);
    const config = { ...ENCODER_CONFIG, vocab_size: 259 };
    writeFileSync(join(model, 'config.json'), JSON.stringify(config));
    writeWeights(model, tinyTensors(config));
  }
  return { ...recipe, model };
}
