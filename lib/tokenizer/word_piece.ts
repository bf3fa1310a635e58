/**
 * WordPiece, BERT's way to cut words (Schuster, Nakajima 2012): pieces that go on in a word begin with `##`, all others begin a word. What a file leaves
 * out is as transformers' BertTokenizer has it.
 */
import { DataError } from '../errors/index.js';
import { specialToken } from './bpe_files.js';
import type { EngineName } from './engine.js';
import type { TokenizerJson } from './format.js';
import { openParsed } from './parsed.js';
import type { Settings } from './settings.js';
import type { TokenizerParts } from './tokenizer.js';

/** Names that BertTokenizer gives its special tokens where nothing is said. */
const SPECIAL = { unk_token: '[UNK]', sep_token: '[SEP]', pad_token: '[PAD]', cls_token: '[CLS]', mask_token: '[MASK]' };

/** A text ends with its separator. */
export function bertSettings(settings: Settings): Settings {
  const tokens: Record<string, string> = { ...SPECIAL, ...settings.specialTokens };
  return { ...settings, specialTokens: { ...tokens, eos_token: tokens.eos_token ?? (tokens.sep_token as string) } };
}

/**
 * Opens `vocab.txt`, a piece a line, whose number is its id.
 * @throws DataError `malformed_tokenizer` where a special token is missing
 */
export function openVocabulary(text: string, file: string, settings: Settings, wanted: EngineName | 'auto'): Promise<TokenizerParts> {
  const pieces = text.replace(/\r?\n$/, '').split(/\r?\n/);
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const whole = bertSettings(settings);
  const idOf = (name: string) => {
    const id = vocab[whole.specialTokens[name] as string];
    if (id !== undefined) return id;
    throw new DataError('malformed_tokenizer', `has no ${whole.specialTokens[name]}, the ${name}`, { file });
  };
  return openParsed(bertJson(vocab, whole, idOf), file, whole, wanted);
}

function bertJson(vocab: Record<string, number>, { specialTokens, config }: Settings, idOf: (name: string) => number): TokenizerJson {
  const lowercase = config.do_lower_case !== false;
  const [cls, sep] = [specialTokens.cls_token as string, specialTokens.sep_token as string];
  const added = Object.keys(SPECIAL).map((name) => specialToken(idOf(name), specialTokens[name] as string));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.sort((a, b) => a.id - b.id),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars !== false,
      strip_accents: config.strip_accents ?? null,
      lowercase,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: cls, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: sep, type_id: 0 } }],
      pair: [],
      special_tokens: {
        [cls]: { id: cls, ids: [idOf('cls_token')], tokens: [cls] },
        [sep]: { id: sep, ids: [idOf('sep_token')], tokens: [sep] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: specialTokens.unk_token as string,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
