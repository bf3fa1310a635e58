/** GPT-2's own form of a byte-level BPE tokenizer: `vocab.json` and `merges.txt`. */
import { DataError } from '../errors/index.js';
import type { EngineName } from './engine.js';
import type { AddedToken, TokenizerJson } from './format.js';
import { openParsed } from './parsed.js';
import { parseJson, type Settings } from './settings.js';
import type { TokenizerParts } from './tokenizer.js';

const END = '<|endoftext|>';
const CLASSES = [undefined, 'GPT2Tokenizer', 'GPT2TokenizerFast'];

/** @throws DataError `unsupported_tokenizer` for a class that splits text in another way than GPT-2 */
export async function openBpeFiles(
  vocabulary: Buffer,
  merges: Buffer,
  file: string,
  settings: Settings,
  wanted: EngineName | 'auto',
): Promise<TokenizerParts> {
  const name = settings.config.tokenizer_class;
  if (!CLASSES.includes(name))
    throw new DataError(
      'unsupported_tokenizer',
      `vocab.json and merges.txt do not say how ${name} splits text: expected a tokenizer.json`,
      { file },
    );
  const vocab = parseJson(vocabulary.toString('utf8'), file) as Record<string, number>;
  const specialTokens = END in vocab ? { bos_token: END, eos_token: END, ...settings.specialTokens } : settings.specialTokens;
  const json = byteLevelJson(vocab, mergeLines(merges.toString('utf8')), addedTo(vocab, Object.values(specialTokens)));
  return openParsed(json, file, { ...settings, specialTokens }, wanted);
}

/** A byte-level BPE tokenizer that splits text as GPT-2 does. */
export function byteLevelJson(vocab: Record<string, number>, merges: string[] | [string, string][], added: AddedToken[]): TokenizerJson {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
}

/** A special token, found wherever its text stands. */
export const specialToken = (id: number, content: string): AddedToken => ({
  id,
  content,
  special: true,
  lstrip: false,
  rstrip: false,
  normalized: false,
  single_word: false,
});

function addedTo(vocab: Record<string, number>, special: string[]): AddedToken[] {
  const contents = new Map(special.flatMap((content) => (vocab[content] === undefined ? [] : [[vocab[content], content]])));
  return [...contents].map(([id, content]) => specialToken(id, content));
}

const mergeLines = (text: string) => text.split(/\r?\n/).filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')));
