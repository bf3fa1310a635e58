/**
 * Permutation language modelling (Yang et al. 2019, "XLNet"): a text's tokens are predicted in a random order z, each from those before it in z, so that
 * a model that reads one way learns from both sides.
 *
 *     loss = -Σ_{t > c} log p(x_{z_t} | x_{z_1} … x_{z_{t-1}}, place z_t) / predicted tokens
 *
 * Only the last tokens of the order are predicted (`maskShare`); those before are context. The two streams of the paper are one ragged sequence here:
 * contents stand in the order z, each at its own position, and before each predicted content stands a query: the mask token at that position, which
 * sees the contents before it in the sequence and is seen by nothing but itself. Attention is causal along the sequence; beside that it needs
 * positions that are given and a flag for tokens that others do not see.
 */
import type { Random } from '../data/random.js';
import { methodOptions, type OptionsOf } from '../options/index.js';
import { crossEntropy } from './cross_entropy.js';
import type { Method } from './method.js';
import { chosenSpans, type SpanRules } from './spans.js';

export const plm: Method<OptionsOf<'plm'>> = {
  name: 'plm',
  summary: 'Learns a text’s words in random order, each from the others so far: for models that are to fill in as well as go on.',
  needs: { rows: ['text', 'prompt', 'instruction', 'chat'], trained: 'all', plan: 'permuted' },
  options: methodOptions.plm,
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
  /** (M) id that a query predicts; -1 for contents. */
  targets: Int32Array;
  /** (M) 1 for queries: no other token sees them. */
  hidden: Uint8Array;
}

/** Lays out a row in a random order. Its first token opens the order and is never predicted. The same random state, the same order. */
export function permuted(ids: Int32Array, rules: PermutationRules, random: Pick<Random, 'below' | 'shuffle'>): Permuted {
  const may = new Uint8Array(ids.length).fill(1, Math.min(1, ids.length));
  const predicted = chosenSpans(may, rules, random);
  for (const i of predicted) may[i] = 0;
  const context = random.shuffle(Array.from(may.keys()).filter((i) => may[i] === 1));
  random.shuffle(predicted);
  const tokens = [...(ids.length > 0 ? [0] : []), ...context].map((place) => content(ids, place));
  for (const place of predicted) tokens.push({ id: rules.mask, place, target: ids[place]!, hidden: 1 }, content(ids, place));
  if (predicted.length > 0) tokens.pop(); // nothing comes after the last content
  const column = (f: (token: Laid) => number) => Int32Array.from(tokens, f);
  const hidden = Uint8Array.from(tokens, (token) => token.hidden);
  return { ids: column(({ id }) => id), positions: column(({ place }) => place), targets: column(({ target }) => target), hidden };
}

interface Laid {
  id: number;
  place: number;
  target: number;
  hidden: number;
}

const content = (ids: Int32Array, place: number): Laid => ({ id: ids[place]!, place, target: -1, hidden: 0 });
