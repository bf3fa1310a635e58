/**
 * Reads a SentencePiece `tokenizer.model`: a protocol buffer (sentencepiece_model.proto of google/sentencepiece), of which only the fields
 * below matter here.
 */
import { DataError } from '../errors/index.js';

export type PieceType = 'normal' | 'unknown' | 'control' | 'userDefined' | 'unused' | 'byte';

export interface SentencePiece {
  text: string;
  /** Rank of a merge: the larger, the earlier. */
  score: number;
  type: PieceType;
}

export interface SentencePieceModel {
  pieces: SentencePiece[];
  algorithm: 'unigram' | 'bpe' | 'word' | 'char';
  /** Unknown characters become byte pieces. */
  byteFallback: boolean;
  /** Text of the pieces that begin and end a text, and of the one for unknown characters. */
  bos: string;
  eos: string;
  unknown: string;
  /** Name of the normalisation rule; `identity` or empty changes nothing. */
  normaliser: string;
  /** Whether a table of character rewrites is there. */
  rewrites: boolean;
  /** One space is put before a text. */
  dummyPrefix: boolean;
  removesExtraSpaces: boolean;
  spaceIsSuffix: boolean;
}

const TYPES: readonly PieceType[] = ['normal', 'normal', 'unknown', 'control', 'userDefined', 'unused', 'byte'];
const ALGORITHMS = ['unigram', 'unigram', 'bpe', 'word', 'char'] as const;

/**
 * @param file name for messages
 * @throws DataError `malformed_tokenizer` when the bytes end early or are something else
 */
export function parseSentencePiece(bytes: Uint8Array, file: string): SentencePieceModel {
  const model = emptyModel();
  let trained = false;
  try {
    for (const { field, value } of fields(bytes)) {
      if (field === 1) model.pieces.push(readPiece(value as Uint8Array));
      if (field === 2) readTrainer(value as Uint8Array, model);
      if (field === 3) readNormaliser(value as Uint8Array, model);
      trained ||= field === 2;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DataError('malformed_tokenizer', `expected a SentencePiece tokenizer.model, but it is cut off or something else (${why})`, {
      file,
      cause,
    });
  }
  if (model.pieces.length > 0 && trained) return model;
  const missing = model.pieces.length === 0 ? 'no pieces' : 'no trainer settings behind the pieces';
  throw new DataError('malformed_tokenizer', `expected a SentencePiece tokenizer.model, but it has ${missing}: cut off?`, { file });
}

const emptyModel = (): SentencePieceModel => ({
  pieces: [],
  algorithm: 'unigram',
  byteFallback: false,
  bos: '<s>',
  eos: '</s>',
  unknown: '<unk>',
  normaliser: '',
  rewrites: false,
  dummyPrefix: true,
  removesExtraSpaces: true,
  spaceIsSuffix: false,
});

function readPiece(bytes: Uint8Array): SentencePiece {
  const piece: SentencePiece = { text: '', score: 0, type: 'normal' };
  for (const { field, value } of fields(bytes)) {
    if (field === 1) piece.text = text(value);
    if (field === 2) piece.score = value as number;
    if (field === 3) piece.type = TYPES[value as number] ?? 'normal';
  }
  return piece;
}

function readTrainer(bytes: Uint8Array, model: SentencePieceModel): void {
  for (const { field, value } of fields(bytes)) {
    if (field === 3) model.algorithm = ALGORITHMS[value as number] ?? 'unigram';
    if (field === 24) model.spaceIsSuffix = value !== 0;
    if (field === 35) model.byteFallback = value !== 0;
    if (field === 45) model.unknown = text(value);
    if (field === 46) model.bos = text(value);
    if (field === 47) model.eos = text(value);
  }
}

function readNormaliser(bytes: Uint8Array, model: SentencePieceModel): void {
  for (const { field, value } of fields(bytes)) {
    if (field === 1) model.normaliser = text(value);
    if (field === 2) model.rewrites = (value as Uint8Array).length > 0;
    if (field === 3) model.dummyPrefix = value !== 0;
    if (field === 4) model.removesExtraSpaces = value !== 0;
  }
}

const text = (value: number | Uint8Array) => Buffer.from(value as Uint8Array).toString('utf8');

interface Field {
  field: number;
  /** Varints and floats as numbers, everything with a length as bytes. */
  value: number | Uint8Array;
}

function* fields(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = view.getUint8(at++);
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new Error(`a number of more than 70 bits at byte ${at}`);
  };
  const take = (size: number): number => {
    if (at + size > bytes.length) throw new Error(`ends at byte ${bytes.length}, ${at + size - bytes.length} too early`);
    at += size;
    return at - size;
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, wire] = [tag >>> 3, tag & 7];
    if (wire === 0) yield { field, value: varint() };
    else if (wire === 1) yield { field, value: view.getFloat64(take(8), true) };
    else if (wire === 2) yield { field, value: slice(bytes, varint(), take) };
    else if (wire === 5) yield { field, value: view.getFloat32(take(4), true) };
    else throw new Error(`wire type ${wire} at byte ${at}`);
  }
}

function slice(bytes: Uint8Array, size: number, take: (size: number) => number): Uint8Array {
  const from = take(size);
  return bytes.subarray(from, from + size);
}
