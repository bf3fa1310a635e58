/** report.json: what a run came to. */
import { describeCounts, describeMapped, unitStarts } from '../../data/index.js';
import type { DoneEvent } from '../events.js';
import { chosenWeights } from './held_out.js';
import type { Run } from './prepare.js';

/** The last event of a run that trained. */
export function doneEvent(run: Run, output: string): DoneEvent {
  const { state } = run;
  const weights = state.lowest === undefined ? {} : { weights: chosenOf(run) };
  return { event: 'done', step: state.step, output, ...weights };
}

const chosenOf = ({ state, recipe }: Run) => chosenWeights(state, recipe.train.earlyStopping !== null);

export function finalReport(run: Run, output: string): object {
  const { state, recipe, rows, microBatchTokens, native, out, adapter, held } = run;
  const { sums, lowest, evaluations } = state;
  const { counts, mappings } = rows.dataset;
  const units = unitStarts(rows.sequences).length - 1;
  return {
    output,
    out,
    method: recipe.method,
    trained:
      adapter === undefined ? 'all weights' : `adapter of rank ${adapter.rank} on ${[adapter.selection.targetModules].flat().join(', ')}`,
    steps: state.step,
    weights: chosenOf(run),
    epochs: state.cursor.epoch + (counts.pieces > 0 ? state.cursor.position / units : 0),
    loss: { first: sums.firstLoss, last: sums.lastLoss },
    evaluation: evaluations.length === 0 ? null : { first: evaluations[0], last: evaluations.at(-1), best: lowest ?? null },
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
