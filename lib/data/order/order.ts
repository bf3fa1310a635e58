/** In which order an epoch goes through the sequences of all sources. */
import { Random } from './random.js';

export interface OrderRules {
  /** Indices of each source's sequences, in file order. */
  sources: readonly (readonly number[])[];
  /** How often an epoch passes over each source: 2 twice, 0.5 half of its sequences, drawn anew every epoch. */
  weights: readonly number[];
  shuffle: boolean;
  seed: number;
}

/** Sequences of one epoch: the same number in every one. */
export function epochLength({ sources, weights }: OrderRules): number {
  return sources.reduce((sum, source, n) => sum + passes(source.length, weights[n] ?? 1), 0);
}

/** The order of epoch `epoch` (from 0): a pure function of the seed, so that a cursor needs no more than epoch and position. */
export function epochOrder(rules: OrderRules, epoch: number): Int32Array {
  const random = new Random(rules.seed, epoch);
  const order = Int32Array.from(rules.sources.flatMap((source, n) => repeated(source, rules.weights[n] ?? 1, random)));
  return rules.shuffle ? random.shuffle(order) : order;
}

const passes = (length: number, weight: number) => Math.floor(weight) * length + Math.round((weight % 1) * length);

function repeated(source: readonly number[], weight: number, random: Random): number[] {
  const whole = Array.from({ length: Math.floor(weight) }, () => source).flat();
  const share = passes(source.length, weight) - whole.length;
  return share === 0 ? whole : [...whole, ...drawn(source, share, random)];
}

/** `count` of the items, drawn without putting back, in their old order. */
export function drawn(items: readonly number[], count: number, random: Random): number[] {
  return random
    .shuffle([...items])
    .slice(0, count)
    .sort((a, b) => a - b);
}
