/** Opens the tokenizer of a model folder, whichever form it has. */
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { openBpeFiles } from './bpe_files.js';
import type { EngineName } from './engine.js';
import { openJson } from './json_file.js';
import { openModel } from './model_file.js';
import { readIfThere, readSettings } from './settings.js';
import { Tokenizer } from './tokenizer.js';
import { openVocabulary } from './word_piece.js';

export interface OpenOptions {
  /** Library to use. Default `auto`: the native one where it is installed, else the JavaScript one; `tokenizer.engine` says which. */
  engine?: EngineName | 'auto';
}

/**
 * Reads `tokenizer.json`, else `tokenizer.model` (SentencePiece BPE), else `vocab.json` with `merges.txt` (GPT-2's form), else `vocab.txt` (BERT's), and the settings
 * beside it: `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, `generation_config.json`, `config.json`,
 * `chat_template.jinja`.
 * @throws DataError `missing_tokenizer`, `malformed_tokenizer`, `unsupported_tokenizer`, `missing_eos`
 */
export async function openTokenizer(folder: string, { engine = 'auto' }: OpenOptions = {}): Promise<Tokenizer> {
  const settings = await readSettings(folder);
  const inFolder = (name: string) => join(folder, name);
  const json = await readIfThere(inFolder('tokenizer.json'));
  if (json) return new Tokenizer(await openJson(json.toString('utf8'), inFolder('tokenizer.json'), settings, engine));
  const model = await readIfThere(inFolder('tokenizer.model'));
  if (model) return new Tokenizer(await openModel(model, inFolder('tokenizer.model'), settings, engine));
  const vocabulary = await readIfThere(inFolder('vocab.json'));
  const merges = await readIfThere(inFolder('merges.txt'));
  if (vocabulary && merges) return new Tokenizer(await openBpeFiles(vocabulary, merges, inFolder('vocab.json'), settings, engine));
  const words = await readIfThere(inFolder('vocab.txt'));
  if (words) return new Tokenizer(await openVocabulary(words.toString('utf8'), inFolder('vocab.txt'), settings, engine));
  const expected = 'expected tokenizer.json, tokenizer.model, vocab.json with merges.txt, or vocab.txt';
  throw new DataError('missing_tokenizer', `no tokenizer here: ${expected}`, { file: folder });
}
