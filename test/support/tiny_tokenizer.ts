// A byte-level tokenizer for tiny models.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Byte-level tokenizer without merges: id 0–255 are bytes, then <s> (added first), </s> and <unk>. */
export function writeTokenizer(folder: string): void {
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [special(256, '<s>'), special(257, '</s>'), special(258, '<unk>')],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [256], tokens: ['<s>'] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: byteVocabulary(),
      merges: [],
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
