/** Sequences laid end to end. Nothing is padded, cut or lost; a micro-batch is only a smaller number of whole sequences. */
import type { PackedBatch, Tokens } from './types.js';

/**
 * Consecutive groups of `rows`, each of at most `budget` tokens; a sequence longer than the budget is a group of its own. However a step is
 * grouped, its loss and gradient are the same, because one divisor belongs to the step.
 */
export function microBatches(sequences: readonly Pick<Tokens, 'ids'>[], rows: ArrayLike<number>, budget: number): Int32Array[] {
  const groups: number[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const row of Array.from(rows)) {
    const size = sequences[row]?.ids.length ?? 0;
    tokens += size;
    if (tokens > budget || groups.length === 0) {
      groups.push([]);
      tokens = size;
    }
    groups.at(-1)?.push(row);
  }
  return groups.map((group) => Int32Array.from(group));
}

/** The sequences at `rows`, in that order, as one batch. */
export function packBatch(sequences: readonly Pick<Tokens, 'ids' | 'trained'>[], rows: ArrayLike<number>): PackedBatch {
  const chosen = Array.from(rows, (row) => sequences[row] as Pick<Tokens, 'ids' | 'trained'>);
  const size = chosen.reduce((sum, { ids }) => sum + ids.length, 0);
  const batch: PackedBatch = {
    tokens: new Int32Array(size),
    positions: new Int32Array(size),
    sequenceStarts: new Int32Array(chosen.length + 1),
    targets: new Int32Array(size).fill(-1),
    sequenceOf: new Int32Array(size),
    rowOf: Int32Array.from(rows),
    trainedTokens: 0,
  };
  let at = 0;
  for (const [n, { ids, trained }] of chosen.entries()) {
    batch.tokens.set(ids, at);
    batch.sequenceOf.fill(n, at, at + ids.length);
    for (let i = 0; i < ids.length; i++) batch.positions[at + i] = i;
    for (let i = 1; i < ids.length; i++) if (trained[i] === 1) batch.targets[at + i - 1] = ids[i] as number;
    batch.trainedTokens += countTargets(trained);
    at += ids.length;
    batch.sequenceStarts[n + 1] = at;
  }
  return batch;
}

/** Trained tokens but for the first, which nothing predicts. */
function countTargets(trained: Uint8Array): number {
  let sum = 0;
  for (let i = 1; i < trained.length; i++) sum += trained[i] as number;
  return sum;
}
