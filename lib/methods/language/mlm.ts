/**
 * Masked language modelling (Devlin et al. 2018, "BERT"): some tokens of a text are hidden and predicted from both sides, on an encoder.
 *
 *     loss = -Σ log p(x_i | the text with its chosen tokens hidden) / chosen tokens
 *
 * Of the chosen tokens 80 % become the mask token, 10 % a random one, 10 % stay as they are, so that the encoder cannot rely on the mask alone.
 */

import * as z from 'zod';
import type { Random } from '../../data/order/random.js';
import type { Method } from '../method.js';
import { crossEntropy } from './cross_entropy.js';
import { maskShare, span } from './fields.js';
import { chosenSpans, type SpanRules } from './spans.js';

export const mlmOptions = z.strictObject({ name: z.literal('mlm'), maskShare, span: span(1) });

type MlmOptions = z.output<typeof mlmOptions>;

export const mlm: Method<MlmOptions> = {
  name: 'mlm',
  summary: 'Learns to fill in hidden words from both sides: for encoders such as BERT, which search and classify.',
  needs: { rows: ['text', 'prompt', 'instruction', 'chat'], trained: 'all', plan: 'masked' },
  nats: true,
  options: mlmOptions,
  outputs: () => [],
  divisor: ({ trainedTokens }) => trainedTokens,
  loss: (input) => crossEntropy(input, { labelSmoothing: 0, zLoss: 0 }),
};

export interface MaskRules extends SpanRules {
  /** Id of the mask token. */
  mask: number;
  /** Ids from 0 to below it may stand for a hidden token. */
  vocabulary: number;
  /** Ids that are never hidden: begin, end, separators. */
  special: ReadonlySet<number>;
}

/** A row with hidden tokens. An encoder predicts a token at its own place. */
export interface Masked {
  ids: Int32Array;
  /** (N) the id that was there, -1 where nothing is predicted. */
  targets: Int32Array;
}

/** Hides some tokens of a row. The same random state, the same tokens. */
export function masked(ids: Int32Array, rules: MaskRules, random: Pick<Random, 'below' | 'shuffle'>): Masked {
  const [hidden, targets] = [ids.slice(), new Int32Array(ids.length).fill(-1)];
  for (const i of chosenSpans(
    Uint8Array.from(ids, (id) => (rules.special.has(id) ? 0 : 1)),
    rules,
    random,
  )) {
    targets[i] = ids[i]!;
    const draw = random.below(10);
    if (draw < 8) hidden[i] = rules.mask;
    else if (draw === 8) hidden[i] = random.below(rules.vocabulary);
  }
  return { ids: hidden, targets };
}
