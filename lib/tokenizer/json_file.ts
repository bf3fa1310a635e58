/** A `tokenizer.json` of Hugging Face. */
import { DataError } from '../errors/index.js';
import type { EngineName } from './engine.js';
import type { TokenizerJson } from './format.js';
import { openParsed } from './parsed.js';
import { parseJson, type Settings } from './settings.js';
import type { TokenizerParts } from './tokenizer.js';
import { bertSettings } from './word_piece.js';

/** @throws DataError `malformed_tokenizer`, `unsupported_tokenizer`, `missing_eos` */
export async function openJson(text: string, file: string, settings: Settings, wanted: EngineName | 'auto'): Promise<TokenizerParts> {
  const json = checked(parseJson(text, file), file);
  return openParsed(json, file, json.model.type === 'WordPiece' ? bertSettings(settings) : settings, wanted, text);
}

const MODELS = ['BPE', 'Unigram', 'WordPiece'];

function checked(value: Record<string, unknown>, file: string): TokenizerJson {
  const json = value as unknown as TokenizerJson;
  const { vocab, type } = json.model ?? {};
  if (vocab === undefined || vocab === null || typeof vocab !== 'object')
    throw new DataError('malformed_tokenizer', 'expected a Hugging Face tokenizer.json with model.vocab', { file });
  const kind = type ?? (json.model.merges ? 'BPE' : 'Unigram'); // older files do not say
  if (!MODELS.includes(kind))
    throw new DataError('unsupported_tokenizer', `expected a model of type ${MODELS.join(', ')}, found ${kind}`, { file });
  return {
    ...json,
    model: { ...json.model, type: kind },
    added_tokens: json.added_tokens ?? [],
    normalizer: json.normalizer ?? null,
    pre_tokenizer: json.pre_tokenizer ?? null,
    post_processor: json.post_processor ?? null,
    decoder: json.decoder ?? null,
  };
}
