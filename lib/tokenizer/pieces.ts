/**
 * Which bytes each id stands for. Byte-level pieces spell bytes in GPT-2's alphabet, SentencePiece-style pieces spell text with ▁ for a
 * space and `<0xNN>` for a lone byte, WordPiece marks those that begin no word with ##; an added token stands for its own text.
 */
import { DataError } from '../errors/index.js';
import { type AddedToken, type Component, flatten, SPACE_MARK, type TokenizerJson, type TokenizerModel, vocabularyOf } from './format.js';

/** How pieces spell bytes. */
export type Spelling = 'byteLevel' | 'spaceMark' | 'wordPiece';

/** Bytes of every id, one behind another: those of id are pool[starts[id] … starts[id + 1]). */
export interface PieceTable {
  readonly pool: Uint8Array;
  readonly starts: Uint32Array;
  /** Largest id + 1. */
  readonly size: number;
  /** Ids that are found as whole strings, before any piece is looked for. */
  readonly added: ReadonlyMap<number, AddedToken>;
}

/** GPT-2's alphabet: printable bytes stand for themselves, the other 68 move up to U+0100. */
export const BYTE_ALPHABET: readonly string[] = byteAlphabet();

function byteAlphabet(): string[] {
  const kept = (byte: number) => (byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174;
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(kept(byte) ? byte : 256 + moved++));
}

const BYTE_OF = new Map(BYTE_ALPHABET.map((character, byte) => [character, byte]));

/** How the pieces of a tokenizer spell bytes, from its decoder (and its pre-tokenizer where it has none). */
export function spellingOf(json: TokenizerJson, file: string): Spelling {
  if (json.model.type === 'WordPiece') return 'wordPiece';
  const decoders = flatten(json.decoder);
  const has = (components: Component[], type: string) => components.some((component) => component.type === type);
  if (has(decoders, 'ByteLevel') || (decoders.length === 0 && has(flatten(json.pre_tokenizer), 'ByteLevel'))) return 'byteLevel';
  if (has(decoders, 'Metaspace') || decoders.some(showsSpaces) || has(decoders, 'ByteFallback')) return 'spaceMark';
  const found = decoders.map(({ type }) => type).join(', ') || 'none';
  throw new DataError('unsupported_tokenizer', `expected a ByteLevel, Metaspace or ByteFallback decoder, found ${found}`, { file });
}

const showsSpaces = ({ type, pattern }: Component) =>
  type === 'Replace' && (pattern as { String?: string } | undefined)?.String === SPACE_MARK;

/** Free ids that a vocabulary may have, beside as many again as it has pieces: some files leave a range of them for later. */
const MOST_FREE = 1 << 16;

/** Memory goes with the largest id: it must be near to the number of pieces, which the file's size bounds. */
function checkIds(entries: readonly [string, number][], file: string): void {
  const most = 2 * entries.length + MOST_FREE;
  const far = entries.find(([, id]) => !Number.isInteger(id) || id < 0 || id >= most);
  if (far === undefined) return;
  const what = `the piece ${JSON.stringify(far[0].slice(0, 60))} has the id ${far[1]}`;
  throw new DataError('malformed_tokenizer', `${what}; expected a whole number below ${most} for ${entries.length} pieces`, { file });
}

/**
 * Builds the table. Added tokens win over pieces of the same id.
 * @throws DataError `malformed_tokenizer` for an id far beyond the number of pieces
 */
export function pieceTable(model: TokenizerModel, tokens: readonly AddedToken[], spelling: Spelling, file: string): PieceTable {
  checkIds([...vocabularyOf(model), ...tokens.map(({ content, id }): [string, number] => [content, id])], file);
  const bytes: Uint8Array[] = [];
  const spell = SPELLERS[spelling];
  for (const [piece, id] of vocabularyOf(model)) bytes[id] = spell(piece);
  const added = new Map(tokens.map((token) => [token.id, token]));
  for (const [id, { content }] of added) bytes[id] = Buffer.from(content);
  const starts = new Uint32Array(bytes.length + 1);
  for (let id = 0; id < bytes.length; id++) starts[id + 1] = starts[id]! + (bytes[id]?.length ?? 0);
  const pool = new Uint8Array(starts[bytes.length]!);
  bytes.forEach((of, id) => {
    pool.set(of, starts[id]);
  });
  return { pool, starts, size: bytes.length, added };
}

/** Bytes of one id. An id beyond the table stands for none. */
export function bytesOf({ pool, starts, size }: PieceTable, id: number): Uint8Array {
  return id >= 0 && id < size ? pool.subarray(starts[id], starts[id + 1]) : pool.subarray(0, 0);
}

function byteLevelBytes(piece: string): Uint8Array {
  const bytes = new Uint8Array(piece.length);
  for (let i = 0; i < piece.length; i++) {
    const byte = BYTE_OF.get(piece[i]!);
    if (byte === undefined) return Buffer.from(piece); // not in the alphabet: the piece is plain text, as the Rust decoder takes it
    bytes[i] = byte;
  }
  return bytes;
}

/** A space goes before each word; what stood between two words in the text is not known any more. */
const wordPieceBytes = (piece: string): Uint8Array => Buffer.from(piece.startsWith('##') ? piece.slice(2) : ` ${piece}`);

const LONE_BYTE = /^<0x([0-9A-F]{2})>$/;

function spaceMarkBytes(piece: string): Uint8Array {
  const byte = LONE_BYTE.exec(piece)?.[1];
  return byte === undefined ? Buffer.from(piece.replaceAll(SPACE_MARK, ' ')) : Uint8Array.of(Number.parseInt(byte, 16));
}

const SPELLERS: Record<Spelling, (piece: string) => Uint8Array> = {
  byteLevel: byteLevelBytes,
  spaceMark: spaceMarkBytes,
  wordPiece: wordPieceBytes,
};
