/**
 * A SentencePiece BPE model as a `tokenizer.json`. The text that such a tokenizer gets has its spaces written as ▁ already and the dummy
 * prefix in front (`markSpaces`): the rules of a `tokenizer.json` would put a prefix behind every added token as well.
 */
import { DataError } from '../errors/index.js';
import { type AddedToken, SPACE_MARK, type TokenizerJson } from './format.js';
import { WORDS, wordsStandAlone } from './repair.js';
import type { SentencePiece, SentencePieceModel } from './sentencepiece.js';

/**
 * @throws DataError `unsupported_tokenizer` for unigram models, for text rewrites and for pieces marked as unused
 */
export function convertSentencePiece(model: SentencePieceModel, file: string): TokenizerJson {
  refuse(model, file);
  const { pieces } = model;
  const userDefined = pieces.flatMap((piece, id) => (piece.type === 'userDefined' ? [addedToken(id, piece.text)] : []));
  return {
    version: '1.0',
    added_tokens: userDefined,
    normalizer: null,
    pre_tokenizer: wordsStandAlone(pieces.map(({ text }) => text)) ? WORDS : null,
    post_processor: null,
    decoder: { type: 'ByteFallback' },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: model.unknown,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: model.byteFallback,
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map((piece, id) => [engineName(piece, id), id])),
      merges: mergesOf(pieces),
    },
  };
}

function refuse(model: SentencePieceModel, file: string): void {
  const fault = faultOf(model);
  if (fault)
    throw new DataError('unsupported_tokenizer', `${fault}; save the tokenizer as tokenizer.json with transformers instead`, { file });
}

function faultOf(model: SentencePieceModel): string | undefined {
  if (model.algorithm !== 'bpe') return `expected a SentencePiece BPE model, found ${model.algorithm}`;
  if (model.rewrites) return `expected a SentencePiece model that leaves text as it is, found the rewriting rule ${model.normaliser}`;
  if (model.removesExtraSpaces) return 'expected a SentencePiece model that keeps spaces, found one that removes extra ones';
  if (model.spaceIsSuffix) return 'expected a SentencePiece model with the space before a word, found one with it behind';
  if (model.pieces.some(({ type }) => type === 'unused')) return 'expected a SentencePiece model without unused pieces';
  return undefined;
}

/**
 * Every way to put a piece together from two others, in the order in which SentencePiece prefers them: by score, then the way with the
 * longer left part (checked against sentencepiece 0.2.3 on long runs of spaces, whose pieces all share one score).
 */
function mergesOf(pieces: readonly SentencePiece[]): [string, string][] {
  const known = new Map(pieces.filter(({ type }) => type === 'normal').map(({ text, score }) => [text, score]));
  const merges: { left: string; right: string; score: number }[] = [];
  for (const [text, score] of known)
    for (let cut = 1; cut < text.length; cut++) {
      const [left, right] = [text.slice(0, cut), text.slice(cut)];
      if (known.has(left) && known.has(right)) merges.push({ left, right, score });
    }
  merges.sort((a, b) => b.score - a.score || length(b.left) - length(a.left) || length(b.right) - length(a.right));
  return merges.map(({ left, right }) => [left, right]);
}

/** Characters, not UTF-16 units. */
const length = (text: string) => [...text].length;

/** Control pieces and the unknown one are never found in a text: one of a single character goes under another name. */
function engineName({ text, type }: SentencePiece, id: number): string {
  const hidden = (type === 'control' && length(text) === 1) || text === '';
  return hidden ? `<piece ${id}>` : text;
}

const addedToken = (id: number, content: string): AddedToken => ({
  id,
  content,
  special: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  single_word: false,
});

/** A text as a converted tokenizer takes it. An empty text stays empty. */
export function markSpaces(text: string, dummyPrefix: boolean): string {
  return text === '' ? '' : (dummyPrefix ? SPACE_MARK : '') + text.replaceAll(' ', SPACE_MARK);
}
