/** What is measured of an encoder: words that are hidden, from a fixed seed. */
import { Random, type Tokens } from '../data/index.js';
import { DataError, RequestError } from '../errors/index.js';
import { hidden, maskRules } from '../methods/index.js';
import type { LoadedModel } from './loaded.js';

/** Share of an encoder's words that are hidden and predicted, each alone: BERT's own. */
export const MASK_SHARE = 0.15;

/** @throws RequestError `wrong_network` where answers alone are asked for */
export function refuseAnswers({ base }: LoadedModel, trainedOnly: boolean): void {
  if (!trainedOnly || base.config.causal) return;
  throw new RequestError('wrong_network', `${base.folder} is an encoder: hidden words of the whole text are measured, no answers alone`);
}

/**
 * The same words are hidden whenever a file is measured: the numbers are drawn from a fixed seed and the row's place.
 * @throws DataError `missing_mask`, `nothing_to_evaluate`
 */
export function withHiddenWords({ tokenizer, base }: LoadedModel, sequences: readonly Tokens[]): Tokens[] {
  const rules = maskRules(tokenizer, { maskShare: MASK_SHARE, span: 1 }, base.folder);
  const rows = sequences.map((sequence, place) => hidden(sequence, rules, new Random(1, place)));
  if (rows.some(({ trainedTokens }) => trainedTokens > 0)) return rows;
  throw new DataError('nothing_to_evaluate', 'no row has a token that can be hidden: all are special ones', { file: rows[0]?.file });
}
