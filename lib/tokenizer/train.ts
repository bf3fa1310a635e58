/**
 * Trains a byte-level BPE tokenizer: GPT-2's alphabet, its way to split text into words, and the merges that are commonest in the text.
 * The result is a `tokenizer.json` that every library reads. It is the same for the same text, and the same as the trainer of Hugging
 * Face's `tokenizers` makes (`BpeTrainer(initial_alphabet=ByteLevel.alphabet())`).
 *
 * Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units (2016), https://arxiv.org/abs/1508.07909
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '../errors/index.js';
import { byteLevelJson, specialToken } from './bpe_files.js';
import type { TokenizerJson } from './format.js';
import { learnMerges, type Word } from './merges.js';
import { BYTE_ALPHABET } from './pieces.js';

export interface TrainTokenizerOptions {
  /** Number of ids: special tokens, 256 bytes, merges. Fewer come out of a text that has fewer pairs. */
  vocabularySize: number;
  /** Take the first ids, in this order. Where they stand in the text, nothing is learnt from them. */
  specialTokens?: readonly string[];
  /** Pairs that are rarer are not merged. Default 2. */
  minimumCount?: number;
  signal?: AbortSignal;
}

/** The alphabet in the order of its characters, as the ids of Hugging Face's trainer go. */
const ALPHABET = [...BYTE_ALPHABET].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);

/**
 * @param texts documents; no word reaches from one into the next
 * @throws RequestError `vocabulary_too_small`
 */
export async function trainTokenizer(texts: Iterable<string>, options: TrainTokenizerOptions): Promise<TokenizerJson> {
  const { vocabularySize, specialTokens = [], minimumCount = 2, signal } = options;
  const least = specialTokens.length + ALPHABET.length;
  if (!Number.isInteger(vocabularySize) || vocabularySize < least)
    throw new RequestError(
      'vocabulary_too_small',
      `a byte-level vocabulary needs at least ${least} ids (256 bytes and the special tokens), not ${vocabularySize}`,
    );
  const pieces = [...specialTokens, ...ALPHABET];
  const first = specialTokens.length;
  const words = toWords(await countWords(texts, specialTokens, signal), first);
  const merges = await learnMerges(words, { next: least, count: vocabularySize - least, minimumCount, signal });
  for (const [left, right] of merges) pieces.push(pieces[left]! + pieces[right]!);
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const spelled = merges.map(([left, right]): [string, string] => [pieces[left]!, pieces[right]!]);
  return byteLevelJson(
    vocab,
    spelled,
    specialTokens.map((content, id) => specialToken(id, content)),
  );
}

/** Words as ids of the alphabet, which begins at `first`. */
function toWords(counts: ReadonlyMap<string, number>, first: number): Word[] {
  const idOfByte = BYTE_ALPHABET.map((character) => first + ALPHABET.indexOf(character));
  return [...counts].map(([word, count]) => ({ ids: Array.from(Buffer.from(word), (byte) => idOfByte[byte]!), count }));
}

/** GPT-2's pattern; \p{White_Space} is what \s means to the Rust library. */
const WORD =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

async function countWords(texts: Iterable<string>, special: readonly string[], signal?: AbortSignal): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    signal?.throwIfAborted();
    for (const stretch of special.length > 0 ? text.split(anyOf(special)) : [text])
      for (const [word] of stretch.matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
    await new Promise(setImmediate);
  }
  return counts;
}

const anyOf = (texts: readonly string[]) => {
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'));
};

/** What `tokenizer_config.json` says of a new tokenizer. Tokens must be among its special tokens. */
export interface TokenizerSettings {
  eosToken: string;
  bosToken?: string;
  unkToken?: string;
  padToken?: string;
  /** Longest text that the model takes. */
  modelMaxLength?: number;
  /** Jinja template of chats, written as `chat_template.jinja`. */
  chatTemplate?: string;
}

/** Writes `tokenizer.json` and `tokenizer_config.json` (and `chat_template.jinja`) into a folder, as transformers and `openTokenizer` read them. */
export async function writeTokenizer(folder: string, json: TokenizerJson, settings: TokenizerSettings): Promise<void> {
  const { eosToken, bosToken, unkToken, padToken, modelMaxLength, chatTemplate } = settings;
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: bosToken ?? null,
    eos_token: eosToken,
    unk_token: unkToken ?? null,
    pad_token: padToken ?? null,
    clean_up_tokenization_spaces: false,
    ...(modelMaxLength === undefined ? {} : { model_max_length: modelMaxLength }),
  };
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  await write('tokenizer.json', `${JSON.stringify(json)}\n`);
  await write('tokenizer_config.json', `${JSON.stringify(config, null, 2)}\n`);
  if (chatTemplate !== undefined) await write('chat_template.jinja', chatTemplate);
}
