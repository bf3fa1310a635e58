/** Where the steps of stepwise answers end among their tokens. */

import type { Bundle } from './bundle.js';
import type { Encoded } from './encode.js';
import type { RowTokenizer } from './types.js';

/**
 * The encoded row with the place of each step: the last token that has a byte of it. Found by counting trained tokens when only the steps up to
 * that one are trained, so that no text is searched for; a row of K steps is tokenised K times for it.
 */
export async function withSteps({ examples, unit }: Bundle, encoded: Encoded[], tokenizer: RowTokenizer): Promise<Encoded[]> {
  const [whole] = encoded;
  if (unit?.unit !== 'stepwise' || whole === undefined) return encoded;
  const segments = examples[0]?.segments ?? [];
  const steps = segments.flatMap(({ trained }, n) => (trained ? [n] : []));
  const upTo = steps.map((last) => segments.map(({ text, trained }, n) => ({ text, trained: trained && n <= last })));
  const found = await tokenizer.encodeSpansMany(upTo);
  const head = tokenizer.bos === null ? 0 : 1;
  const ends = Int32Array.from(found, ({ trained }) => head + trained.lastIndexOf(1));
  return [{ ...whole, steps: { ends, labels: Uint8Array.from(unit.labels, Number) } }];
}
