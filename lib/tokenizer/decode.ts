/** Ids back to text, whole or one at a time. */
import type { AddedToken } from './format.js';
import { bytesOf, type PieceTable } from './pieces.js';

export interface DecodeOptions {
  /** Leaves out special tokens (BOS, EOS, the frame of a chat). Default: nothing is left out. */
  skipSpecial?: boolean;
  /** The ids go on from a text: a space at their beginning is kept. Default: they begin a text, and the space put before it is taken off. */
  continues?: boolean;
}

/** What a decoder needs of a tokenizer. */
export interface DecodeRules {
  pieces: PieceTable;
  /** The tokenizer puts a space before a text, which decoding takes off again. */
  stripsLead: boolean;
}

/**
 * Text of ids as they come, one by one. Bytes of a character that is not complete yet are held back; bytes that make no character become
 * U+FFFD.
 */
export class StreamDecoder {
  readonly #rules: DecodeRules;
  readonly #skipSpecial: boolean;
  readonly #text = new TextDecoder('utf-8', { ignoreBOM: true });
  #begins: boolean;

  constructor(rules: DecodeRules, { skipSpecial = false, continues = false }: DecodeOptions = {}) {
    this.#rules = rules;
    this.#skipSpecial = skipSpecial;
    this.#begins = rules.stripsLead && !continues;
  }

  /** The text that this id completes, maybe none. */
  push(id: number): string {
    return this.#text.decode(this.#bytes(id), { stream: true });
  }

  /** What was held back, as U+FFFD. */
  end(): string {
    return this.#text.decode();
  }

  #bytes(id: number): Uint8Array {
    const token: AddedToken | undefined = this.#rules.pieces.added.get(id);
    if (this.#skipSpecial && token?.special) return new Uint8Array(0);
    const bytes = bytesOf(this.#rules.pieces, id);
    const strip = this.#begins && bytes[0] === 0x20;
    this.#begins = false;
    return strip ? bytes.subarray(1) : bytes;
  }
}

/** Text of ids. */
export function decodeIds(ids: ArrayLike<number>, rules: DecodeRules, options?: DecodeOptions): string {
  const decoder = new StreamDecoder(rules, options);
  let text = '';
  for (let i = 0; i < ids.length; i++) text += decoder.push(ids[i]!);
  return text + decoder.end();
}

/** One id for the eye: its text, or its bytes as `<0xNN>` where they are no whole characters. */
export function showBytes(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`).join('');
  }
}
