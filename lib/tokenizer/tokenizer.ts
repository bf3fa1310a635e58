/** Text to ids and back. One object for every kind of tokenizer folder; `openTokenizer` makes it. */
import { DataError } from '../errors/index.js';
import { alignTrained } from './align.js';
import { type DecodeOptions, type DecodeRules, decodeIds, StreamDecoder, showBytes } from './decode.js';
import type { Engine } from './engine.js';
import type { Normaliser } from './normalise.js';
import { bytesOf, type PieceTable } from './pieces.js';
import { joinSegments, type Range, type Segment, trainedByOffsets } from './spans.js';

/** A stretch of text for the engine, or an id that stands as it is. */
export type Part = string | number;

/** What is known of a tokenizer once its folder is read. */
export interface TokenizerParts {
  engine: Engine;
  /** File that it came from, as the user named it. */
  file: string;
  pieces: PieceTable;
  normaliser: Normaliser;
  stripsLead: boolean;
  /** Cuts a text into what the engine gets. `special`: see `EncodeOptions`. */
  parts: (text: string, special: boolean) => Part[];
  bos: number | null;
  eos: number;
  ends: readonly number[];
  specialTokens: Readonly<Record<string, string>>;
  chatTemplates: Readonly<Record<string, string>>;
}

export interface EncodeOptions {
  /**
   * For a `tokenizer.model` only: control pieces (`<s>`, `</s>`, `[INST]`) that are written out in the text become their ids, as the
   * text of a chat template wants it. Default: they are plain text. In a `tokenizer.json` they always become ids.
   */
  special?: boolean;
}

export interface SpanOptions extends EncodeOptions {
  /** An id, the EOS of a chat (or several), that is trained where it directly follows a trained part. */
  stop?: number | readonly number[];
}

/** Ids of a row, with 1 for each that is trained and 0 for the others. No BOS, no EOS but what the text holds. */
export interface Tokens {
  ids: Int32Array;
  trained: Uint8Array;
}

/** Most text, in UTF-16 units, that the engine gets at once: bounds the memory of a batch. */
const BATCH = 1 << 21;

export class Tokenizer {
  /** Which library turns text into ids, and why that one. */
  readonly engine: { readonly name: 'native' | 'javascript'; readonly reason: string };
  /** The id that a text begins with, or null where the tokenizer adds none. */
  readonly bos: number | null;
  /** The id that ends a text or an answer. */
  readonly eos: number;
  /** Ids at which generation stops: those of `generation_config.json`, else of `config.json`, else the EOS. */
  readonly ends: readonly number[];
  /** Largest id + 1: the rows that an embedding needs. */
  readonly vocabularySize: number;
  /** The same without the tokens that were added at the end: a model may have no rows for those. */
  readonly ownVocabularySize: number;
  /** Texts of the special tokens by name (`bos_token`, `eos_token`, …), as templates use them. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** Id that stands for a hidden token, or null where there is none. */
  readonly mask: number | null;
  /** Ids that are no text: begin, end, mask, padding. */
  readonly special: ReadonlySet<number>;
  /** Texts of `ends` and of the EOS. */
  readonly endTokens: readonly string[];
  /** Texts of `special`. */
  readonly addedTokens: readonly string[];
  readonly #parts: TokenizerParts;
  readonly #decoding: DecodeRules;

  constructor(parts: TokenizerParts) {
    const { engine, pieces, stripsLead } = parts;
    this.#parts = parts;
    this.#decoding = { pieces, stripsLead };
    this.engine = { name: engine.name, reason: engine.reason };
    this.bos = parts.bos;
    this.eos = parts.eos;
    this.ends = parts.ends;
    this.vocabularySize = pieces.size;
    let own = pieces.size;
    while (pieces.added.has(own - 1)) own--;
    this.ownVocabularySize = own;
    this.specialTokens = parts.specialTokens;
    const added = [...pieces.added.values()];
    this.mask = added.find(({ content }) => content === parts.specialTokens.mask_token)?.id ?? null;
    this.special = new Set(added.flatMap(({ id, special }) => (special ? [id] : [])));
    const texts = (ids: Iterable<number>) => [...ids].flatMap((id) => pieces.added.get(id)?.content ?? []);
    this.endTokens = texts(new Set([parts.eos, ...parts.ends]));
    this.addedTokens = texts(this.special);
  }

  /** The model's own chat template (for a conversation with tools, the one made for them, if there is one), or null. */
  chatTemplate(withTools = false): string | null {
    const { tool_use: forTools, default: plain } = this.#parts.chatTemplates;
    return (withTools ? forTools : undefined) ?? plain ?? null;
  }

  /** Ids of a text, without BOS and EOS. The text is taken as it is, never trimmed. */
  async encode(text: string, options?: EncodeOptions): Promise<Int32Array> {
    return (await this.encodeMany([text], options))[0]!;
  }

  /** Ids of many texts; with the native engine on several threads. */
  async encodeMany(texts: readonly string[], { special = false }: EncodeOptions = {}): Promise<Int32Array[]> {
    const rows = texts.map((text) => this.#parts.parts(wellFormed(text), special));
    const encoded = await this.#encodeAll(rows.flat().filter((part) => typeof part === 'string'));
    let next = 0;
    return rows.map((parts) => join(parts.map((part) => (typeof part === 'string' ? encoded[next++]! : [part]))));
  }

  /**
   * Tokenises segments joined, as one text, and tells which ids are trained: those with at least one byte of a trained segment.
   * @throws DataError `unaligned_text` where a tokenizer rewrites a text so that its ids cannot be traced back
   */
  async encodeSpans(segments: readonly Segment[], options?: SpanOptions): Promise<Tokens> {
    return (await this.encodeSpansMany([segments], options))[0]!;
  }

  /** `encodeSpans` for many rows at once. */
  async encodeSpansMany(rows: readonly (readonly Segment[])[], options: SpanOptions = {}): Promise<Tokens[]> {
    const joined = rows.map(joinSegments);
    const all = await this.encodeMany(
      joined.map(({ text }) => text),
      options,
    );
    const tokens: Tokens[] = [];
    for (const [i, ids] of all.entries()) {
      const { text, ranges } = joined[i]!;
      tokens.push({ ids, trained: await this.#trained(ids, wellFormed(text), ranges, options) });
    }
    return tokens;
  }

  /** Text of ids. Nothing is left out unless asked for; bytes that make no character become U+FFFD. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    return decodeIds(ids, this.#decoding, options);
  }

  /** Text of ids that come one by one; a character that is not complete yet is held back. */
  stream(options?: DecodeOptions): StreamDecoder {
    return new StreamDecoder(this.#decoding, options);
  }

  /** One id for the eye: its text with leading space, or `<0xNN>` for bytes that are no whole character. */
  tokenText(id: number): string {
    return showBytes(this.tokenBytes(id));
  }

  /** The bytes that an id stands for. */
  tokenBytes(id: number): Uint8Array {
    return bytesOf(this.#parts.pieces, id);
  }

  async #encodeAll(texts: readonly string[]): Promise<ArrayLike<number>[]> {
    const rows: ArrayLike<number>[] = [];
    for (let from = 0; from < texts.length; ) {
      const to = batchEnd(texts, from);
      for (const row of await this.#parts.engine.encode(texts.slice(from, to))) rows.push(row);
      from = to;
    }
    return rows;
  }

  async #trained(ids: Int32Array, text: string, ranges: Range[], { stop = [] }: SpanOptions): Promise<Uint8Array> {
    if (ranges.length === 0) return new Uint8Array(ids.length);
    const { engine, pieces, normaliser, file } = this.#parts;
    const stops = typeof stop === 'number' ? [stop] : stop;
    const exact = alignTrained(ids, text, ranges, { pieces, normaliser, stops });
    if (exact) return exact;
    // Tokens that cannot be traced: those of a text that is trained whole need not be.
    if (ranges.length === 1 && ranges[0]?.start === 0 && ranges[0].end === text.length) return new Uint8Array(ids.length).fill(1);
    const located = await engine.locate?.(text);
    if (located?.ids.length === ids.length && located.ids.every((id, i) => id === ids[i]))
      return withStops(ids, trainedByOffsets(located.offsets, text, ranges), stops);
    const what = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
    const remedy = engine.name === 'javascript' ? '; the package tokenizers, once installed, may know' : '';
    throw new DataError('unaligned_text', `the tokenizer rewrites ${what} so that its tokens cannot be traced back to the text${remedy}`, {
      file,
    });
  }
}

/** End of the batch that begins at `from`: at least one text, together at most `BATCH` long. */
function batchEnd(texts: readonly string[], from: number): number {
  let [to, size] = [from + 1, texts[from]!.length];
  while (to < texts.length && size + texts[to]!.length <= BATCH) size += texts[to++]!.length;
  return to;
}

/** Lone surrogates, which are no text, become U+FFFD: the engines would do the same, each in its own way. */
function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\ufffd') : text;
}

function join(rows: readonly ArrayLike<number>[]): Int32Array {
  const ids = new Int32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    ids.set(row, at);
    at += row.length;
  }
  return ids;
}

function withStops(ids: Int32Array, trained: Uint8Array, stops: readonly number[]): Uint8Array {
  const before = trained.slice();
  for (let i = 1; i < ids.length; i++) if (before[i - 1] === 1 && stops.includes(ids[i]!)) trained[i] = 1;
  return trained;
}
