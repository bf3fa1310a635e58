/** Answers compared two by two: which wins over which, and the figures that every method for pairs shows. */
import { type Columns, groupStarts } from '../columns.js';
import type { Metric } from '../method.js';

/** Indices of the sequences of each comparison: better[k] is to win over worse[k]. */
export interface Comparisons {
  better: Int32Array;
  worse: Int32Array;
}

/** A loss of one comparison, with its derivatives by the figure of the better and of the worse answer. */
export type PairLoss = readonly [loss: number, byBetter: number, byWorse: number];

/** All comparisons within each group, in its order; answers of the same rank are not compared. Pairs have one each. */
export function comparisons({ group, rank }: Pick<Columns, 'group' | 'rank'>): Comparisons {
  const starts = groupStarts(group);
  const [better, worse]: [number[], number[]] = [[], []];
  for (let g = 0; g + 1 < starts.length; g++)
    for (let i = starts[g]!; i < starts[g + 1]!; i++)
      for (let j = i + 1; j < starts[g + 1]!; j++) {
        if (rank !== undefined && rank[i] === rank[j]) continue;
        better.push(i);
        worse.push(j);
      }
  return { better: Int32Array.from(better), worse: Int32Array.from(worse) };
}

/**
 * Means over comparisons of what each side got. All (S).
 * @param reward beta × log-ratio, beta × log-probability, or a score
 * @param logp log-probability as the loss uses it
 */
export function pairMetrics({ better, worse }: Comparisons, reward: Float64Array, logp?: Float64Array): Record<string, Metric> {
  const count = better.length;
  const mean = (values: Float64Array, at: Int32Array): Metric => ({ sum: at.reduce((sum, s) => sum + values[s]!, 0), count });
  const [chosen, rejected] = [mean(reward, better), mean(reward, worse)];
  const right = better.reduce((sum, s, k) => sum + (reward[s]! > reward[worse[k]!]! ? 1 : 0), 0);
  return {
    ...(logp && { logpChosen: mean(logp, better), logpRejected: mean(logp, worse) }),
    rewardChosen: chosen,
    rewardRejected: rejected,
    rewardMargin: { sum: chosen.sum - rejected.sum, count },
    rewardAccuracy: { sum: right, count },
  };
}
