/** Which method fits which network, and the hidden words of a run with `mlm`. */
import type { ModelFolder } from '../checkpoint/model_folder.js';
import { Random, type Tokens } from '../data/index.js';
import { DataError, type ErrorPlace, RequestError } from '../errors/index.js';
import { hidden, hideable, type MaskRules, maskRules } from '../methods/index.js';
import type { Recipe } from '../options/index.js';
import type { Tokenizer } from '../tokenizer/index.js';

/**
 * An encoder sees a whole text at once: it predicts hidden words, and no next ones.
 * @throws RequestError `wrong_network` where the method is for the other kind
 */
export function checkNetwork({ method, model }: Pick<Recipe, 'method' | 'model'>, { config }: ModelFolder, place?: ErrorPlace): void {
  const isEncoder = config.encoder !== undefined;
  if (isEncoder === (method.name === 'mlm')) return;
  const message = isEncoder
    ? `method ${method.name} has a network predict the next token, and ${model} is an encoder, which reads both ways; take mlm, or another model`
    : `method mlm needs an encoder (BertForMaskedLM), and ${model} is a decoder, which predicts the next token; take pretrain, or another model`;
  throw new RequestError('wrong_network', message, place);
}

/**
 * How words are hidden; undefined where the method hides none.
 * @throws DataError `missing_mask` where the tokenizer cannot hide any
 */
export function masksOf({ method }: Pick<Recipe, 'method'>, tokenizer: Tokenizer, folder: string): MaskRules | undefined {
  if (method.name !== 'mlm') return undefined;
  const rules = maskRules(tokenizer, method);
  if (rules !== undefined) return rules;
  throw new DataError('missing_mask', 'the tokenizer has no mask token: expected mask_token in tokenizer_config.json', { file: folder });
}

/**
 * Rows that may be hidden in part: their special tokens are never predicted, and rows of nothing else are passed over.
 * @throws DataError `nothing_trained` where no row has anything to hide
 */
export function hideableRows(sequences: readonly Tokens[], masks: MaskRules | undefined): Tokens[] {
  if (masks === undefined) return [...sequences];
  const rows = sequences.map((sequence) => hideable(sequence, masks.special));
  if (rows.length === 0 || rows.some(({ trainedTokens }) => trainedTokens > 0)) return rows;
  throw new DataError('nothing_trained', 'no row has a token that can be hidden: all are special ones, such as that of unknown words', {
    file: rows[0]?.file,
  });
}

/** Stream of random numbers that hides words: apart from those that shuffle and drop. */
const MASKS = 0x6d6c6d;

/** The sequences of a step as they are trained. Step and place alone tell what is hidden, so that a resumed run hides the same. */
export function hiddenRows(sequences: readonly Tokens[], masks: MaskRules | undefined, seed: number, step: number): readonly Tokens[] {
  if (masks === undefined) return sequences;
  return sequences.map((sequence, place) => hidden(sequence, masks, new Random(seed, MASKS, step, place)));
}
