/** Rows with hidden words, as `mlm` trains them: what is hidden is drawn from a seed, and predicted at its own place. */
import type { Random } from '../../data/order/random.js';
import type { Tokens } from '../../data/types.js';
import { DataError } from '../../errors/index.js';
import { type MaskRules, masked } from './mlm.js';
import { countOnes, predicting, type SpanRules } from './spans.js';

/** What must be known of a tokenizer. */
interface MaskTokenizer {
  /** Id of the mask token, null where there is none. */
  readonly mask: number | null;
  /** Ids that are no text. */
  readonly special: ReadonlySet<number>;
  readonly vocabularySize: number;
}

/**
 * How rows of this tokenizer are hidden.
 * @param file of the tokenizer, for messages
 * @throws DataError `missing_mask` where it has no mask token
 */
export function maskRules({ mask, special, vocabularySize }: MaskTokenizer, { maskShare, span }: SpanRules, file: string): MaskRules {
  if (mask !== null) return { mask, special, vocabulary: vocabularySize, maskShare, span };
  throw new DataError('missing_mask', 'the tokenizer has no mask token: expected mask_token in tokenizer_config.json', { file });
}

type Sequence = Pick<Tokens, 'ids' | 'trained' | 'trainedTokens'>;

/** A sequence with 1 for every id that may be hidden: all but special tokens. */
export function hideable<T extends Sequence>(sequence: T, special: ReadonlySet<number>): T {
  const trained = Uint8Array.from(sequence.ids, (id) => Number(!special.has(id)));
  return { ...sequence, trained, trainedTokens: countOnes(trained) };
}

/** The sequence with some tokens hidden, `targets` the ids that were there. */
export function hidden<T extends Sequence>(
  sequence: T,
  rules: MaskRules,
  random: Pick<Random, 'below' | 'shuffle'>,
): T & { targets: Int32Array } {
  const { ids, targets } = masked(sequence.ids, rules, random);
  return { ...sequence, ids, ...predicting(targets) };
}
