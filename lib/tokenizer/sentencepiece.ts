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
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = reader.varint();
    yield { field: tag >>> 3, value: reader.value(tag & 7) };
  }
}

/** Reads the wire format of protocol buffers, front to back. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** A number of variable length; of long ones the lower 32 bits. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#view.getUint8(this.#take(1));
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new Error(`a number of more than 70 bits at byte ${this.#at}`);
  }

  value(wire: number): number | Uint8Array {
    if (wire === 0) return this.varint();
    if (wire === 1) return this.#view.getFloat64(this.#take(8), true);
    if (wire === 5) return this.#view.getFloat32(this.#take(4), true);
    if (wire !== 2) throw new Error(`wire type ${wire} at byte ${this.#at}`);
    const size = this.varint();
    const from = this.#take(size);
    return this.#bytes.subarray(from, from + size);
  }

  #take(size: number): number {
    const from = this.#at;
    this.#at += size;
    if (this.#at > this.#bytes.length) throw new Error(`ends at byte ${this.#bytes.length}, ${this.#at - this.#bytes.length} too early`);
    return from;
  }
}
