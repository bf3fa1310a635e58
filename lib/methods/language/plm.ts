/**
 * Permutation language modelling (Yang et al. 2019, "XLNet"): a text's tokens are predicted in a random order z, each from those before it in z, so that
 * a model that reads one way learns from both sides.
 *
 *     loss = -Σ_{t > c} log p(x_{z_t} | x_{z_1} … x_{z_{t-1}}, place z_t) / predicted tokens
 *
 * Only the last tokens of the order are predicted (`maskShare`); those before are context. The two streams of the paper are one ragged sequence here:
 * first the contents in the order z, each at its own position, then a query for each predicted one: the mask token at that position. Attention is
 * causal along the sequence; a query hides what lies between the contents before its own and itself, and so sees those contents and itself. Blocks of
 * contents are then computed for many queries at once, and what a run of queries hides is not computed at all.
 */

import * as z from 'zod';
import type { Random } from '../../data/order/random.js';
import type { Method } from '../method.js';
import { crossEntropy } from './cross_entropy.js';
import { maskShare, span } from './fields.js';
import { chosenSpans, predicting, type SpanRules } from './spans.js';

export const plmOptions = z.strictObject({
  name: z.literal('plm'),
  maskShare,
  span: span(5),
  maskToken: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Token that stands for what is to be predicted: one of the vocabulary that texts do not use. Default the tokenizer’s mask token.',
    ),
});

export type PlmOptions = z.output<typeof plmOptions>;

export const plm: Method<PlmOptions> = {
  name: 'plm',
  summary: 'Learns a text’s words in random order, each from the others so far: for models that are to fill in as well as go on.',
  needs: { rows: ['text', 'prompt', 'instruction', 'chat'], trained: 'all', plan: 'permuted' },
  nats: true,
  options: plmOptions,
  // Each predicted token stands twice, as content and as query.
  growth: ({ maskShare }) => 1 + maskShare,
  outputs: () => [],
  divisor: ({ trainedTokens }) => trainedTokens,
  loss: (input) => crossEntropy(input, { labelSmoothing: 0, zLoss: 0 }),
};

export interface PermutationRules extends SpanRules {
  /** Id that stands in a query. */
  mask: number;
}

/** A row in factorisation order. Symbols: M tokens of contents and queries. */
export interface Permuted {
  /** (M) */
  ids: Int32Array;
  /** (M) place of each in the text, from 0. */
  positions: Int32Array;
  /** (M) id that a query predicts at its own place; -1 for contents. */
  targets: Int32Array;
  /** (M) the tokens that each does not see though they lie before it, from and to (excluded); equal for contents, which see all. */
  hiddenFrom: Int32Array;
  hiddenTo: Int32Array;
}

/** A sequence in a random order; what is predicted of it are its trained tokens. */
export function permutedRow<T extends { ids: Int32Array }>(sequence: T, rules: PermutationRules, random: Parameters<typeof permuted>[2]) {
  const { ids, targets, ...layout } = permuted(sequence.ids, rules, random);
  return { ...sequence, ids, ...predicting(targets), layout };
}

/** Lays out a row in a random order. Its first token opens the order and is never predicted. The same random state, the same order. */
export function permuted(ids: Int32Array, rules: PermutationRules, random: Pick<Random, 'below' | 'shuffle'>): Permuted {
  const may = new Uint8Array(ids.length).fill(1, Math.min(1, ids.length));
  const predicted = chosenSpans(may, rules, random);
  for (const i of predicted) may[i] = 0;
  const context = random.shuffle(Array.from(may.keys()).filter((i) => may[i] === 1));
  random.shuffle(predicted);
  const before = [...(ids.length > 0 ? [0] : []), ...context];
  const contents = [...before, ...predicted.slice(0, -1)]; // nothing comes after the last content
  const places = Int32Array.from([...contents, ...predicted]);
  const [hiddenFrom, hiddenTo] = [new Int32Array(places.length), new Int32Array(places.length)];
  for (const t of predicted.keys()) {
    hiddenFrom[contents.length + t] = before.length + t;
    hiddenTo[contents.length + t] = contents.length + t;
  }
  const isQuery = (m: number) => m >= contents.length;
  return {
    ids: places.map((place, m) => (isQuery(m) ? rules.mask : (ids[place] as number))),
    positions: places,
    targets: places.map((place, m) => (isQuery(m) ? (ids[place] as number) : -1)),
    hiddenFrom,
    hiddenTo,
  };
}
