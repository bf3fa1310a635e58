/**
 * Direct preference optimisation (Rafailov et al. 2023, "Direct preference optimization: your language model is secretly a reward model") and its
 * kin: one loss a pair, from log-probabilities of policy and reference.
 *
 *     c = Σ log π(y_w) - Σ log π_ref(y_w)      r = Σ log π(y_l) - Σ log π_ref(y_l)      loss (sigmoid) = -log σ(β (c - r))
 *
 * y_w chosen and y_l rejected answer; sums run over an answer's tokens, end token included; with `ldAlpha` α (Liu et al. 2024, LD-DPO) tokens beyond
 * the length of the shorter answer weigh α. A list of losses is added up with its weights. The step's loss is the mean over its pairs, and `sft`'s
 * the mean over the tokens of its chosen answers. Losses stand in `dpo_losses.ts`, divergences in `dpo_divergence.ts`.
 */
import { dpoTerms, methodOptions } from '../options/index.js';
import { addToTokens, answerLengths, answerSums, divided, type Tail } from './answers.js';
import { bent } from './dpo_divergence.js';
import { DPO_PAIR_LOSSES, type DpoOptions, type PairLossName, readsScores } from './dpo_losses.js';
import { matchedByOrder } from './dpo_transport.js';
import { addLikelihood } from './likelihood.js';
import type { LossOutput, Method, Prepared, With } from './method.js';
import { type Comparisons, comparisons, pairMetrics } from './pairs.js';

type Input = With<'reference'>;

export const dpo: Method<DpoOptions, Input> = {
  name: 'dpo',
  summary: 'Learns from pairs which answer is better, without a reward model: the plain choice for preferences.',
  needs: { rows: ['pairs', 'rankings'], trained: 'answers' },
  options: methodOptions.dpo,
  outputs: () => [],
  columns: () => ['reference'],
  looksAhead: (options) => dpoTerms(options).some(([kind]) => kind === 'aot' || kind === 'aotUnpaired'),
  prepare,
  divisor: ({ pairs }) => pairs,
  loss,
};

/** Sums over the answers, all (S). */
interface Figures {
  pairs: Comparisons;
  lengths: Int32Array;
  tail: Tail | undefined;
  policy: Float64Array;
  ratio: Float64Array;
}

function figures(input: Input, { ldAlpha }: DpoOptions): Figures {
  const [pairs, lengths] = [comparisons(input), answerLengths(input)];
  const tail = ldAlpha === 1 ? undefined : { full: shorter(pairs, lengths), weight: ldAlpha };
  const policy = answerSums(input, input.logprob, tail);
  const reference = answerSums(input, input.reference, tail);
  return { pairs, lengths, tail, policy, ratio: policy.map((sum, s) => sum - reference[s]!) };
}

/** (S) length of the shorter answer of each sequence's pair. */
function shorter({ better, worse }: Comparisons, lengths: Int32Array): Int32Array {
  const full = lengths.slice();
  better.forEach((s, k) => {
    full[s] = full[worse[k]!] = Math.min(lengths[s]!, lengths[worse[k]!]!);
  });
  return full;
}

/** The matchings of `aot` and `aotUnpaired`, from the sums of the whole step. */
function prepare(step: Input, options: DpoOptions): Prepared {
  if (!dpo.looksAhead?.(options)) return { columns: {}, metrics: {} };
  const { pairs, policy, ratio } = figures(step, options);
  const { better, worse } = pairs;
  const gaps = (values: Float64Array) => Float64Array.from(better, (s, k) => values[s]! - values[worse[k]!]!);
  const [chosen, rejected] = [Float64Array.from(better, (s) => ratio[s]!), Float64Array.from(worse, (s) => ratio[s]!)];
  const reference = matchedByOrder(gaps(policy), gaps(policy.map((sum, s) => sum - ratio[s]!)));
  const [forChosen, forRejected] = [matchedByOrder(chosen, rejected), matchedByOrder(rejected, chosen)];
  const [matchedGap, matchedRatio] = [new Float64Array(policy.length), new Float64Array(policy.length)];
  better.forEach((s, k) => {
    matchedGap[s] = reference[k]!;
    matchedRatio[s] = forChosen[k]!;
    matchedRatio[worse[k]!] = forRejected[k]!;
  });
  return { columns: { matchedGap, matchedRatio }, metrics: {} };
}

function loss(input: Input, options: DpoOptions): LossOutput {
  const found = figures(input, options);
  const bySum = new Float64Array(found.policy.length);
  const byToken = new Float64Array(input.logprob.length);
  let [lossSum, metrics] = [
    0,
    pairMetrics(
      found.pairs,
      found.ratio.map((u) => options.beta * u),
      found.policy,
    ),
  ];
  for (const [kind, weight] of dpoTerms(options)) {
    if (kind !== 'sft') lossSum += weight * addPairs(kind, weight, input, found, options, bySum);
    else {
      const likelihood = addLikelihood(input, weight, byToken);
      lossSum += likelihood.lossSum;
      metrics = { ...metrics, nll: likelihood.nll };
    }
  }
  addToTokens(byToken, input, bySum, found.tail);
  return { lossSum, gradient: { logprob: divided(byToken, input.divisor) }, metrics };
}

/** Adds the derivatives of one loss of all pairs, times its weight -> its sum. */
function addPairs(kind: PairLossName, weight: number, input: Input, found: Figures, options: DpoOptions, bySum: Float64Array): number {
  const { better, worse } = found.pairs;
  const score = (s: number) => (readsScores(kind) ? bent(found.ratio[s]!, options) : ([found.ratio[s]!, 1] as const));
  let sum = 0;
  better.forEach((s, k) => {
    const other = worse[k]!;
    const [[chosen, slope], [rejected, otherSlope]] = [score(s), score(other)];
    const [value, byChosen, byRejected] = DPO_PAIR_LOSSES[kind]({ chosen, rejected, ...pairAt(input, found, s, other) }, options);
    sum += value;
    bySum[s]! += weight * byChosen * slope;
    bySum[other]! += weight * byRejected * otherSlope;
  });
  return sum;
}

function pairAt({ matchedGap, matchedRatio }: Input, { lengths, policy }: Figures, s: number, other: number) {
  return {
    chosenLength: Math.max(1, lengths[s]!),
    rejectedLength: Math.max(1, lengths[other]!),
    gap: policy[s]! - policy[other]!,
    matchedGap: matchedGap?.[s] ?? Number.NaN,
    matchedRejected: matchedRatio?.[s] ?? Number.NaN,
    matchedChosen: matchedRatio?.[other] ?? Number.NaN,
  };
}
