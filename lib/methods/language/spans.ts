/** Which tokens of a row are predicted, for `mlm` and `plm`: runs of neighbours (Joshi et al. 2019, SpanBERT), at random. */
import type { Random } from '../../data/order/random.js';

export interface SpanRules {
  /** Share of the tokens that may be chosen; at least one is. */
  maskShare: number;
  /** Longest run; lengths are drawn evenly from 1 to it. */
  span: number;
}

/** Chosen positions, in the order drawn. `may` (N): 1 where a token may be chosen. */
export function chosenSpans(may: Uint8Array, { maskShare, span }: SpanRules, random: Pick<Random, 'below' | 'shuffle'>): number[] {
  const starts = random.shuffle(Array.from(may.keys()).filter((i) => may[i] === 1));
  const count = Math.min(starts.length, Math.max(1, Math.round(maskShare * starts.length)));
  const free = Uint8Array.from(may);
  const chosen: number[] = [];
  for (const from of starts) {
    if (chosen.length === count) break;
    if (free[from] === 0) continue;
    const length = Math.min(1 + random.below(span), count - chosen.length);
    for (let i = from; i < from + length && free[i] === 1; i++) {
      free[i] = 0;
      chosen.push(i);
    }
  }
  return chosen;
}

export const countOnes = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0);

/** What a row is told of ids that are predicted at their own places: -1 where none is. */
export function predicting(targets: Int32Array) {
  const trained = Uint8Array.from(targets, (id) => Number(id >= 0));
  return { targets, trained, trainedTokens: countOnes(trained) };
}
