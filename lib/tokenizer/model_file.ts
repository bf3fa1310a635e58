/** A SentencePiece `tokenizer.model`. */

import { DataError } from '../errors/index.js';
import { specialToken } from './bpe_files.js';
import { markedChunks } from './chunks.js';
import { convertSentencePiece, markSpaces } from './convert.js';
import { type EngineName, openEngine } from './engine.js';
import type { AddedToken } from './format.js';
import { normaliserOf } from './normalise.js';
import { pieceTable } from './pieces.js';
import { parseSentencePiece, type SentencePieceModel } from './sentencepiece.js';
import type { Settings } from './settings.js';
import type { Part, TokenizerParts } from './tokenizer.js';

/** @throws DataError `malformed_tokenizer`, `unsupported_tokenizer`, `missing_eos` */
export async function openModel(bytes: Buffer, file: string, settings: Settings, wanted: EngineName | 'auto'): Promise<TokenizerParts> {
  const model = parseSentencePiece(bytes, file);
  const json = convertSentencePiece(model, file);
  const controls = controlsOf(model, settings);
  const pieces = pieceTable(json.model, controls, 'spaceMark', file);
  const engine = await openEngine(json, file, wanted);
  const idOf = (text: string | undefined) => controls.find(({ content }) => content === text)?.id;
  const { bos_token, eos_token = model.eos } = settings.specialTokens;
  const eos = idOf(eos_token) ?? pieceId(model, eos_token, file);
  const bos = settings.config.add_bos_token === false ? undefined : (idOf(bos_token) ?? idOf(model.bos));
  const each = settings.config.legacy !== false;
  return {
    engine,
    file,
    pieces,
    normaliser: { ...normaliserOf(json, 'spaceMark'), lead: model.dummyPrefix ? (each ? 'each' : 'begin') : 'none' },
    stripsLead: model.dummyPrefix,
    parts: splitter(model, controls, { each, chunked: json.pre_tokenizer !== null }),
    bos: bos ?? null,
    eos,
    ends: settings.endIds.length > 0 ? settings.endIds : [eos],
    specialTokens: { bos_token: model.bos, eos_token: model.eos, unk_token: model.unknown, ...settings.specialTokens },
    chatTemplates: settings.chatTemplates,
  };
}

/** Pieces that no text is ever cut into, and the tokens that were added behind the model's own. */
function controlsOf({ pieces }: SentencePieceModel, { added }: Settings): AddedToken[] {
  const own = pieces.flatMap(({ text, type }, id) => (type === 'control' || type === 'unknown' ? [specialToken(id, text)] : []));
  const behind = added.filter(({ id }) => id >= pieces.length);
  let next = Math.max(pieces.length - 1, ...behind.map(({ id }) => id)) + 1;
  const known = new Set([...pieces.map(({ text }) => text), ...behind.map(({ content }) => content)]);
  const fresh = added.filter(({ id, content }) => id < 0 && !known.has(content)).map((one) => ({ ...one, id: next++ }));
  return [...own, ...behind, ...fresh];
}

function pieceId({ pieces }: SentencePieceModel, text: string, file: string): number {
  const id = pieces.findIndex((piece) => piece.text === text);
  if (id >= 0) return id;
  throw new DataError('missing_eos', `the tokenizer has no token ${JSON.stringify(text)} to end a text with`, { file });
}

/**
 * Control pieces and special tokens written out in a text are plain text, but for a text that a chat template made. Other added tokens are
 * found in every text. All take the white space along that their flags say.
 */
function splitter(
  { dummyPrefix, pieces }: SentencePieceModel,
  controls: readonly AddedToken[],
  { each, chunked }: { each: boolean; chunked: boolean },
) {
  const plain = (text: string, begins: boolean): Part[] => markedChunks(markSpaces(text, dummyPrefix && (each || begins)), chunked);
  const written = controls.filter(({ content }) => content !== '');
  const everywhere = finder(written.filter(({ id, special }) => id >= pieces.length && !special));
  const all = finder(written);
  return (text: string, special: boolean): Part[] => {
    const parts: Part[] = [];
    let at = 0;
    const upTo = (end: number) => {
      if (end > at) parts.push(...plain(text.slice(at, end), at === 0));
    };
    for (const { start, end, id } of (special ? all : everywhere)(text)) {
      upTo(start);
      parts.push(id);
      at = end;
    }
    upTo(text.length);
    return parts;
  };
}

interface Found {
  start: number;
  end: number;
  id: number;
}

/** Finds tokens in a text, the longest first where several begin at one place. */
function finder(tokens: readonly AddedToken[]): (text: string) => Found[] {
  if (tokens.length === 0) return () => [];
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const contents = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(contents.map(escaped).join('|'), 'g');
  return (text) => {
    const found: Found[] = [];
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = byContent.get(content)!;
      const behind = index + content.length;
      if (token.single_word && isInWord(text, index, behind)) continue;
      const least = found.at(-1)?.end ?? 0;
      const start = token.lstrip ? Math.max(least, text.slice(0, index).trimEnd().length) : index;
      const end = token.rstrip ? text.length - text.slice(behind).trimStart().length : behind;
      found.push({ start, end, id: token.id });
    }
    return found;
  };
}

const isInWord = (text: string, start: number, end: number) =>
  /[\p{L}\p{N}_]$/u.test(text.slice(Math.max(start - 2, 0), start)) || /^[\p{L}\p{N}_]/u.test(text.slice(end, end + 2));
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
