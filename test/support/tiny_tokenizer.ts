// A byte-level tokenizer for tiny models.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { byteLevelJson, specialToken } from '../../lib/tokenizer/bpe_files.js';

/** Byte-level tokenizer without merges: id 0–255 are bytes, then <s> (added first), </s> and <unk>. */
export function writeTokenizer(folder: string): void {
  const added = ['<s>', '</s>', '<unk>'].map((content, n) => specialToken(256 + n, content));
  const tokenizer = {
    ...byteLevelJson(byteVocabulary(), [], added),
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [256], tokens: ['<s>'] } },
    },
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    model_max_length: 256,
  };
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
}

/** GPT-2's table: printable bytes stand for themselves, the other 68 move up to U+0100. */
function byteVocabulary(): Record<string, number> {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let moved = 256;
  return Object.fromEntries(Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(printable(byte) ? byte : moved++), byte]));
}

/** A WordPiece tokenizer.json, as transformers' BertTokenizerFast writes one; `special` are pieces of the vocabulary. */
export const wordPieceJson = (pieces: readonly string[], special: readonly string[]) => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: special.map((piece) => specialToken(pieces.indexOf(piece), piece)),
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
  },
});
