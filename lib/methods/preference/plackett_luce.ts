/**
 * Plackett-Luce (Luce 1959; Plackett 1975; the K-wise form in Ouyang et al. 2022): the probability of a whole order is that of drawing the best answer
 * from all, then the second from the rest, and so on, each in proportion to e^score.
 *
 *     loss = Σ_i [ log(e^s_i + Σ_{j worse than i} e^s_j) - s_i ]  + c (2 mean s)²      over all answers i that have a worse one
 *
 * Answers of the same rank are not compared: neither stands in the other's sum. With two answers it is Bradley-Terry, and c (s_w + s_l)²; the margin
 * by which the first is to win is taken off its own score.
 */
import { type Columns, groupStarts } from '../columns.js';

/** Adds the derivatives by the scores (S) -> the sum over rankings. */
export function plackettLuce({ group, rank, margin }: Columns, score: Float64Array, centering: number, byScore: Float64Array): number {
  const starts = groupStarts(group);
  let sum = 0;
  for (let g = 0; g + 1 < starts.length; g++) {
    const [from, to] = [starts[g]!, starts[g + 1]!];
    const place = (s: number) => rank?.[s] ?? s;
    for (let i = from; i < to; i++) {
      const rest = [i];
      for (let j = from; j < to; j++) if (place(j) > place(i)) rest.push(j);
      if (rest.length > 1) sum += drawFirst(rest, margin?.[i] ?? 0, score, byScore);
    }
    sum += centred(from, to, score, centering, byScore);
  }
  return sum;
}

/** -log of the probability that the first of `rest` is drawn, where its score is less by `margin`. */
function drawFirst(rest: readonly number[], margin: number, score: Float64Array, byScore: Float64Array): number {
  const scores = rest.map((s, n) => score[s]! - (n === 0 ? margin : 0));
  const top = Math.max(...scores);
  const total = scores.reduce((all, one) => all + Math.exp(one - top), 0);
  rest.forEach((s, n) => {
    byScore[s]! += Math.exp(scores[n]! - top) / total;
  });
  byScore[rest[0]!]! -= 1;
  return top + Math.log(total) - scores[0]!;
}

function centred(from: number, to: number, score: Float64Array, centering: number, byScore: Float64Array): number {
  const twice = (2 * score.subarray(from, to).reduce((all, one) => all + one, 0)) / (to - from);
  for (let s = from; s < to; s++) byScore[s]! += (4 * centering * twice) / (to - from);
  return centering * twice * twice;
}
