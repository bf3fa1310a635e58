/** The hidden words of a run with `mlm` or `plm`. */

import { Random, type Tokens } from '../../data/index.js';
import { DataError, type ErrorPlace, RequestError } from '../../errors/index.js';
import {
  hidden,
  hideable,
  type MaskRules,
  maskRules,
  methods,
  type PermutationRules,
  type PlmOptions,
  permutedRow,
  type SpanRules,
} from '../../methods/index.js';
import type { Recipe } from '../../recipe/index.js';
import type { Tokenizer } from '../../tokenizer/index.js';

/** How a method hides words: of a text that stays in its order, or of one that is read in a random order. */
export type Masks = MaskRules | PermutationRules;

/**
 * How words are hidden; undefined where the method hides none.
 * @param place of `method.maskToken`
 * @throws DataError `missing_mask` where the tokenizer cannot hide any
 * @throws RequestError `bad_option` where what is to hide words is no token
 */
export async function masksOf(
  { method }: Pick<Recipe, 'method'>,
  tokenizer: Tokenizer,
  folder: string,
  place?: ErrorPlace,
): Promise<Masks | undefined> {
  const { plan } = methods[method.name].needs;
  if (plan === 'permuted') return permutationRules(method as PlmOptions, tokenizer, folder, place);
  return plan === 'masked' ? maskRules(tokenizer, method as SpanRules, folder) : undefined;
}

async function permutationRules(
  { maskShare, span, maskToken }: PlmOptions,
  tokenizer: Tokenizer,
  folder: string,
  place?: ErrorPlace,
): Promise<PermutationRules> {
  if (maskToken === undefined && tokenizer.mask === null) {
    const message = 'the tokenizer has no mask token: name a token that texts do not use, as method: { name: plm, maskToken: "<unk>" }';
    throw new DataError('missing_mask', message, { file: folder });
  }
  if (maskToken === undefined) return { maskShare, span, mask: tokenizer.mask as number };
  const ids = await tokenizer.encode(maskToken, { special: true });
  if (ids.length === 1) return { maskShare, span, mask: ids[0] as number };
  const message = `maskToken: expected one token of the vocabulary, and ${JSON.stringify(maskToken)} is ${ids.length} of them`;
  throw new RequestError('bad_option', message, place);
}

/**
 * Rows that may be hidden in part: their special tokens are never predicted, and rows of nothing else are passed over.
 * @throws DataError `nothing_trained` where no row has anything to hide
 */
export function hideableRows(sequences: readonly Tokens[], masks: Masks | undefined): Tokens[] {
  if (masks === undefined || !('special' in masks)) return [...sequences];
  const rows = sequences.map((sequence) => hideable(sequence, masks.special));
  if (rows.length === 0 || rows.some(({ trainedTokens }) => trainedTokens > 0)) return rows;
  throw new DataError('nothing_trained', 'no row has a token that can be hidden: all are special ones, such as that of unknown words', {
    file: rows[0]?.file,
  });
}

/** Stream of random numbers that hides words: apart from those that shuffle and drop. */
const MASKS = 0x6d6c6d;

/** The sequences of a step as they are trained. Step and place alone tell what is hidden, so that a resumed run hides the same. */
export function hiddenRows(sequences: readonly Tokens[], masks: Masks | undefined, seed: number, step: number): readonly Tokens[] {
  if (masks === undefined) return sequences;
  return sequences.map((sequence, place) => {
    const random = new Random(seed, MASKS, step, place);
    return 'special' in masks ? hidden(sequence, masks, random) : permutedRow(sequence, masks, random);
  });
}
