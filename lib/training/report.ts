/** report.json: what a run came to. */
import { describeCounts, describeMapped, unitStarts } from '../data/index.js';
import type { Run } from './prepare.js';

export function finalReport({ state, recipe, rows, microBatchTokens, native, out, adapter, held }: Run, output: string): object {
  const { sums, best, evaluations } = state;
  const { counts, mappings } = rows.dataset;
  const units = unitStarts(rows.sequences).length - 1;
  return {
    output,
    out,
    method: recipe.method,
    trained:
      adapter === undefined ? 'all weights' : `adapter of rank ${adapter.rank} on ${[adapter.selection.targetModules].flat().join(', ')}`,
    steps: state.step,
    epochs: state.cursor.epoch + (counts.pieces > 0 ? state.cursor.position / units : 0),
    loss: { first: sums.firstLoss, last: sums.lastLoss },
    evaluation: evaluations.length === 0 ? null : { first: evaluations[0], last: evaluations.at(-1), best: best ?? null },
    rows: { summary: describeCounts(counts), mapping: mappings.map(describeMapped), counts },
    tokens: sums.tokens,
    trainedTokens: sums.trainedTokens,
    seconds: sums.seconds,
    tokensPerSecond: sums.seconds > 0 ? sums.tokens / sums.seconds : null,
    memory: { peakMiB: sums.peakMemoryMiB, bytes: native.memory() },
    microBatchTokens,
    ...(held && { reference: { computed: held.made, ...(held.file && { file: held.file }) } }),
  };
}
