/**
 * Direct preference optimisation (Rafailov et al. 2023, "Direct preference optimization: your language model is secretly a reward model") and its
 * kin: one loss a pair, from log-probabilities of policy and reference.
 *
 *     c = Σ log π(y_w) - Σ log π_ref(y_w)      r = Σ log π(y_l) - Σ log π_ref(y_l)      loss (sigmoid) = -log σ(β (c - r))
 *
 * y_w chosen and y_l rejected answer; sums run over an answer's tokens, end token included; with `ldAlpha` α (Liu et al. 2024, LD-DPO) tokens beyond
 * the length of the shorter answer weigh α. A list of losses is added up with its weights. The step's loss is the mean over its pairs, and `sft`'s
 * the mean over the tokens of its chosen answers. A ranking is all its pairs: every figure here belongs to a side of a comparison, as one answer stands in
 * several, each with another partner. Losses stand in `dpo_losses.ts`, divergences in `dpo_divergence.ts`.
 */

import { addToAnswer, answerLengths, answerSum, divided, type Tail } from '../answers.js';
import type { Numbers } from '../columns.js';
import type { LossOutput, Method, Prepared, With } from '../method.js';
import { bent } from './dpo_divergence.js';
import { DPO_PAIR_LOSSES, type DpoOptions, type PairLossName, readsScores } from './dpo_losses.js';
import { dpoOptions, dpoTerms } from './dpo_options.js';
import { matchedByOrder } from './dpo_transport.js';
import { addLikelihood } from './likelihood.js';
import { type Comparisons, comparisons, pairMetrics } from './pairs.js';

type Input = With<'reference'>;

/** Losses that are no nats: squares of log-ratios, and an exponential. */
const NO_NATS: readonly string[] = ['ipo', 'sppo', 'discopop'];

export const dpo: Method<DpoOptions, Input> = {
  name: 'dpo',
  summary: 'Learns from pairs which answer is better, without a reward model: the plain choice for preferences.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers' },
  options: dpoOptions,
  comparable: (options) => (dpoTerms(options).some(([kind]) => NO_NATS.includes(kind)) ? 'none' : 'early'),
  outputs: () => [],
  columns: () => ['reference'],
  looksAhead: (options) => dpoTerms(options).some(([kind]) => kind === 'aot' || kind === 'aotUnpaired'),
  prepare,
  divisor: ({ pairs }) => pairs,
  loss,
};

/** Of both sides of P comparisons (2 P): those that are to win, then those that are to lose. */
interface Sides {
  /** Indices of the sides. */
  pairs: Comparisons;
  /** Sequence of each side, and its length. */
  sequence: Int32Array;
  length: Int32Array;
  tail(side: number): Tail | undefined;
  /** Σ log π of the answer, and its log-ratio. */
  policy: Float64Array;
  ratio: Float64Array;
}

function sidesOf(input: Input, { ldAlpha }: DpoOptions): Sides {
  const { better, worse } = comparisons(input);
  const [count, lengths] = [better.length, answerLengths(input)];
  const sequence = Int32Array.from([...better, ...worse]);
  const length = sequence.map((s) => lengths[s]!);
  const pairs = { better: better.map((_, k) => k), worse: worse.map((_, k) => count + k) };
  const shorter = (side: number) => Math.min(length[side]!, length[(side + count) % (2 * count)]!);
  const tail = (side: number) => (ldAlpha === 1 ? undefined : { full: shorter(side), weight: ldAlpha });
  const sums = (values: Numbers) => Float64Array.from(sequence, (s, side) => answerSum(input, values, s, tail(side)));
  const [policy, reference] = [sums(input.logprob), sums(input.reference)];
  return { pairs, sequence, length, tail, policy, ratio: policy.map((sum, side) => sum - reference[side]!) };
}

/** The matchings of `aot` and `aotUnpaired`, from the sums of the whole step. */
function prepare(step: Input, options: DpoOptions): Prepared {
  if (!dpo.looksAhead?.(options)) return { columns: {}, metrics: {} };
  const { pairs, policy, ratio } = sidesOf(step, options);
  const count = pairs.better.length;
  const gaps = (values: Float64Array) => Float64Array.from(pairs.better, (k) => values[k]! - values[count + k]!);
  const [chosen, rejected] = [ratio.slice(0, count), ratio.slice(count)];
  const matchedGap = matchedByOrder(gaps(policy), gaps(policy.map((sum, side) => sum - ratio[side]!)));
  const [matchedRejected, matchedChosen] = [matchedByOrder(chosen, rejected), matchedByOrder(rejected, chosen)];
  return { columns: { matchedGap, matchedRejected, matchedChosen }, metrics: {} };
}

function loss(input: Input, options: DpoOptions): LossOutput {
  const sides = sidesOf(input, options);
  const bySide = new Float64Array(sides.policy.length);
  const byToken = new Float64Array(input.logprob.length);
  const reward = sides.ratio.map((u) => options.beta * u);
  let [lossSum, metrics] = [0, pairMetrics(sides.pairs, reward, sides.policy)];
  for (const [kind, weight] of dpoTerms(options)) {
    if (kind !== 'sft') lossSum += weight * addPairs(kind, weight, input, sides, options, bySide);
    else {
      const likelihood = addLikelihood(input, weight, byToken);
      lossSum += likelihood.lossSum;
      metrics = { ...metrics, nll: likelihood.nll };
    }
  }
  bySide.forEach((slope, side) => {
    addToAnswer(byToken, input, sides.sequence[side]!, slope, sides.tail(side));
  });
  return { lossSum, gradient: { logprob: divided(byToken, input.divisor) }, metrics };
}

/** Adds the derivatives of one loss of all pairs (2 P), times its weight -> its sum. */
function addPairs(kind: PairLossName, weight: number, input: Input, sides: Sides, options: DpoOptions, bySide: Float64Array): number {
  const { better, worse } = sides.pairs;
  const score = (side: number) => (readsScores(kind) ? bent(sides.ratio[side]!, options) : ([sides.ratio[side]!, 1] as const));
  let sum = 0;
  better.forEach((first, k) => {
    const other = worse[k]!;
    const [[chosen, slope], [rejected, otherSlope]] = [score(first), score(other)];
    const [value, byChosen, byRejected] = DPO_PAIR_LOSSES[kind]({ chosen, rejected, ...pairAt(input, sides, k) }, options);
    sum += value;
    bySide[first]! += weight * byChosen * slope;
    bySide[other]! += weight * byRejected * otherSlope;
  });
  return sum;
}

function pairAt({ matchedGap, matchedRejected, matchedChosen }: Input, { pairs, length, policy }: Sides, k: number) {
  const [first, other] = [pairs.better[k]!, pairs.worse[k]!];
  return {
    chosenLength: Math.max(1, length[first]!),
    rejectedLength: Math.max(1, length[other]!),
    gap: policy[first]! - policy[other]!,
    matchedGap: matchedGap?.[k] ?? Number.NaN,
    matchedRejected: matchedRejected?.[k] ?? Number.NaN,
    matchedChosen: matchedChosen?.[k] ?? Number.NaN,
  };
}
