/**
 * What `orpo`, `simpo` and `cpo` share: a loss of the chosen and the rejected answer's log-probability, l_w and l_l, without a reference, plus a
 * weight times the chosen answers' negative log-likelihood. l is the sum over an answer's tokens or the mean a token. The step's loss is the mean over
 * its pairs, the likelihood's over its tokens.
 */
import { addToTokens, answerLengths, answerMeans, answerSums, divided } from '../answers.js';
import type { LossOutput, SequenceInput } from '../method.js';
import { addLikelihood } from './likelihood.js';
import { comparisons, type PairLoss, pairMetrics } from './pairs.js';

export interface ReferenceFree {
  /** Whether l is the mean a token. */
  mean: boolean;
  /** The shown reward is beta × l. */
  beta: number;
  /** Weight of the likelihood. */
  likelihood: number;
  /** Loss of a pair, and its derivatives by l_w and l_l. */
  pair(chosen: number, rejected: number): PairLoss;
}

export function referenceFreeLoss(input: SequenceInput, { mean, beta, likelihood, pair }: ReferenceFree): LossOutput {
  const pairs = comparisons(input);
  const lengths = answerLengths(input);
  const l = mean ? answerMeans(input, input.logprob) : answerSums(input, input.logprob);
  const bySum = new Float64Array(l.length);
  let lossSum = 0;
  pairs.better.forEach((s, k) => {
    const other = pairs.worse[k]!;
    const [value, byChosen, byRejected] = pair(l[s]!, l[other]!);
    lossSum += value;
    bySum[s]! += byChosen / (mean ? Math.max(1, lengths[s]!) : 1);
    bySum[other]! += byRejected / (mean ? Math.max(1, lengths[other]!) : 1);
  });
  const byToken = new Float64Array(input.logprob.length);
  addToTokens(byToken, input, bySum);
  const metrics = pairMetrics(
    pairs,
    l.map((value) => beta * value),
    l,
  );
  const gradient = () => ({ logprob: divided(byToken, input.divisor) });
  if (likelihood === 0) return { lossSum, gradient: gradient(), metrics };
  const added = addLikelihood(input, likelihood, byToken);
  return { lossSum: lossSum + added.lossSum, gradient: gradient(), metrics: { ...metrics, nll: added.nll } };
}
