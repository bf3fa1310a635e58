/** Rows longer than the model is to see: dropped, cut, or split into pieces. */

import type { RowTokenizer } from '../types.js';
import { countTrained } from './encode.js';

export interface Piece {
  ids: Int32Array;
  /** 0 or 1; the first token of a piece is never trained. */
  trained: Uint8Array;
  trainedTokens: number;
}

export type Overlong = 'drop' | 'split' | 'truncate';

/** Begin and end token of a tokenizer. */
export type Frame = Pick<RowTokenizer, 'bos' | 'eos'>;

/**
 * The pieces of a row, each of at most `maxLength` tokens, end to end. `split` adds nothing and loses nothing; `truncate` keeps the first
 * piece; `drop` gives none for a row that is too long.
 * @param frame begin and end token that each piece gets where the row has them, as transformers' `return_overflowing_tokens` frames every piece: then
 *   the text between is what is cut. A length without room for text is too short for every longer row.
 */
export function cutRow(ids: Int32Array, trained: Uint8Array, maxLength: number, overlong: Overlong, frame?: Frame): Piece[] {
  if (ids.length <= maxLength) return [{ ids, trained, trainedTokens: countTrained(trained) }];
  const head = frame !== undefined && ids[0] === frame.bos ? 1 : 0;
  const tail = frame !== undefined && ids.at(-1) === frame.eos ? 1 : 0;
  const [room, end] = [maxLength - head - tail, ids.length - tail];
  if (overlong === 'drop' || room < 1) return [];
  const pieces: Piece[] = [];
  for (let start = head; start < end; start += room) {
    const places = [...range(0, head), ...range(start, Math.min(end, start + room)), ...range(end, ids.length)];
    const flags = Uint8Array.from(places, (place) => trained[place] as number);
    flags[0] = 0;
    pieces.push({ ids: Int32Array.from(places, (place) => ids[place] as number), trained: flags, trainedTokens: countTrained(flags) });
    if (overlong === 'truncate') break;
  }
  return pieces;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
