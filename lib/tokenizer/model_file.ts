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
  const engine = await openEngine(json, file, wanted);
  const controls = controlsOf(model, settings);
  const idOf = (text: string | undefined) => controls.find(({ content }) => content === text)?.id;
  const { bos_token, eos_token = model.eos } = settings.specialTokens;
  const eos = idOf(eos_token) ?? pieceId(model, eos_token, file);
  const bos = settings.config.add_bos_token === false ? undefined : (idOf(bos_token) ?? idOf(model.bos));
  const each = settings.config.legacy !== false;
  return {
    engine,
    file,
    pieces: pieceTable(json.model, controls, 'spaceMark'),
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
  return [...own, ...added.filter(({ id }) => id >= pieces.length).map(({ id, content }) => specialToken(id, content))];
}

function pieceId({ pieces }: SentencePieceModel, text: string, file: string): number {
  const id = pieces.findIndex((piece) => piece.text === text);
  if (id >= 0) return id;
  throw new DataError('missing_eos', `the tokenizer has no token ${JSON.stringify(text)} to end a text with`, { file });
}

/** Control pieces written out in a text are plain text, but for a text that a chat template made. */
function splitter(
  { dummyPrefix }: SentencePieceModel,
  controls: readonly AddedToken[],
  { each, chunked }: { each: boolean; chunked: boolean },
) {
  const plain = (text: string, begins: boolean): Part[] => markedChunks(markSpaces(text, dummyPrefix && (each || begins)), chunked);
  const ids = new Map(controls.flatMap(({ id, content }) => (content === '' ? [] : [[content, id] as const])));
  const found = new RegExp(
    `(${[...ids.keys()]
      .sort((a, b) => b.length - a.length)
      .map(escaped)
      .join('|')})`,
  );
  return (text: string, special: boolean): Part[] => {
    if (!special || ids.size === 0) return text === '' ? [] : plain(text, true);
    const stretches = text.split(found); // every second one is a control piece
    return stretches.flatMap((stretch, i) => (i % 2 === 1 ? [ids.get(stretch)!] : stretch === '' ? [] : plain(stretch, i === 0)));
  };
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
