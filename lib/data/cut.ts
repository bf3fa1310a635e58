/** Rows longer than the model is to see: dropped, cut, or split into pieces. */
import { countTrained } from './encode.js';

export interface Piece {
  ids: Int32Array;
  /** 0 or 1; the first token of a piece is never trained. */
  trained: Uint8Array;
  trainedTokens: number;
}

export type Overlong = 'drop' | 'split' | 'truncate';

/**
 * The pieces of a row, each of at most `maxLength` tokens, end to end. `split` adds nothing and loses nothing; `truncate` keeps the first
 * piece; `drop` gives none for a row that is too long.
 */
export function cutRow(ids: Int32Array, trained: Uint8Array, maxLength: number, overlong: Overlong): Piece[] {
  if (ids.length <= maxLength) return [{ ids, trained, trainedTokens: countTrained(trained) }];
  if (overlong === 'drop') return [];
  const pieces: Piece[] = [];
  for (let start = 0; start < ids.length; start += maxLength) {
    const flags = trained.slice(start, start + maxLength);
    flags[0] = 0;
    pieces.push({ ids: ids.slice(start, start + maxLength), trained: flags, trainedTokens: countTrained(flags) });
    if (overlong === 'truncate') break;
  }
  return pieces;
}
