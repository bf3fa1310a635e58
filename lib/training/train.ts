/** The training loop: steps, evaluations, checkpoints, and what comes out at the end, as a stream of events. */

import { StepPlan } from '../data/index.js';
import { InterruptedError } from '../errors/index.js';
import { type ReadRecipe, resolvedRecipe } from '../options/index.js';
import type { StartEvent, TrainingEvent } from './events.js';
import { machine } from './manifest.js';
import { finishedOutput, keepCheckpoint, writeOutput } from './output.js';
import { prepareRun, type Run, readInput, type TrainInput, type TrainOptions } from './prepare.js';
import { finalReport } from './report.js';
import { RunFolder } from './run_folder.js';
import { evaluateRun, takeRunStep } from './run_step.js';
import { sampleRun, samples } from './sample.js';
import { learningRate } from './schedule.js';
import { trainStages } from './stages.js';

export type { TrainInput, TrainOptions } from './prepare.js';

/**
 * Trains as a recipe says. The output folder appears with the first step; whatever fails before leaves nothing behind.
 *
 *     for await (const event of train('recipe.yaml', { out: 'runs/x', signal })) if (event.event === 'step') console.log(event.loss);
 *
 * @throws RequestError, DataError, WorkError as their codes say; InterruptedError after `signal`, with a checkpoint of the last step written
 */
export async function* train(input: TrainInput, options: TrainOptions = {}): AsyncGenerator<TrainingEvent, void, void> {
  const read = readInput(input);
  yield* read.stages === undefined ? trainOne(read, options) : trainStages(read, options, trainOne);
}

async function* trainOne(input: ReadRecipe, options: TrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  if (samples(input.recipe)) return yield* sampleRun(input, options);
  const run = await prepareRun(input, options).catch((error) => Promise.reject(interruption(error, options.signal)));
  const folder = new RunFolder(run.out);
  try {
    const done = run.resumed ? await finishedOutput(run) : undefined;
    if (done !== undefined) yield { event: 'done', step: run.state.step, output: done };
    else yield* steps(run, folder, options.signal);
  } finally {
    await run.rollouts?.close();
    await run.held?.close();
    await run.teacher?.close();
    run.native.dispose();
    await folder.close();
  }
}

/** Before the first step an abort ends the run with nothing to keep. */
function interruption(error: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted && (error as Error)?.name === 'AbortError'
    ? new InterruptedError('interrupted before the first step; nothing was written')
    : error;
}

async function* steps(run: Run, folder: RunFolder, signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent, void, void> {
  const { recipe, state, sequences, rows } = run;
  const plan = new StepPlan({ sequences, sources: rows.dataset.sources }, recipe.train, state.cursor);
  const count = plan.count();
  yield* beginning(run, folder, count, signal);
  let stopped = isExhausted(run);
  while (!stopped) {
    if (signal?.aborted && state.step < count) throw interrupted(run);
    const taken = plan.next();
    if (taken === undefined) break;
    const step = state.step + 1;
    const { event, remarks } = await takeRunStep(run, step, taken, learningRate(step, count, recipe.train));
    state.tookStep(event, plan.cursor);
    if (!folder.isOpen) await folder.create({ recipe: resolvedRecipe(recipe), manifest: manifest(run) });
    yield await folder.tell(event);
    for (const remark of remarks) yield await folder.tell({ event: 'warning', step, ...remark });
    stopped = yield* afterStep(run, folder, count, signal);
  }
  const output = await writeOutput(run);
  await folder.report(finalReport(run, output));
  yield await folder.tell({ event: 'done', step: state.step, output });
}

/** What is told before the first step of this process. */
async function* beginning(
  run: Run,
  folder: RunFolder,
  count: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrainingEvent, void, void> {
  const { rows, held } = run;
  const start = startEvent(run, count);
  if (run.resumed) {
    await folder.reopen(run.state.step);
    return yield start;
  }
  yield await folder.tell(start);
  for (const warning of [...rows.warnings, ...(held?.warnings ?? [])]) yield await folder.tell({ event: 'warning', ...warning });
  if (rows.heldOut.length > 0 && !signal?.aborted) yield await folder.tell(await evaluateRun(run));
}

/** Evaluation and checkpoint, where they are due -> whether the run stops early. */
async function* afterStep(
  run: Run,
  folder: RunFolder,
  count: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<TrainingEvent, boolean, void> {
  const { recipe, state, rows } = run;
  const { step } = state;
  const isLast = step === count;
  const before = state.best?.step;
  if (rows.heldOut.length > 0 && (isLast || step % (recipe.evaluate?.every ?? count) === 0))
    yield await folder.tell(await evaluateRun(run));
  const stopped = isExhausted(run);
  const isDue = isLast || stopped || step % recipe.train.checkpointEvery === 0;
  if (isDue || signal?.aborted || state.best?.step !== before) {
    const path = await keepCheckpoint(run);
    await folder.sync();
    yield await folder.tell({ event: 'checkpoint', step, path });
  }
  return stopped;
}

function startEvent({ native, rows, sequences, microBatchTokens, state }: Run, steps: number): StartEvent {
  const parameters = native.parameters().reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  const { counts } = rows.dataset;
  return {
    event: 'start',
    steps,
    from: state.step,
    parameters,
    counts,
    sequences: sequences.length,
    heldOut: rows.heldOut.length,
    microBatchTokens,
  };
}

/** Early stopping: the held-out rows got no better for too long. */
function isExhausted({ recipe, state }: Run): boolean {
  const patience = recipe.train.earlyStopping?.patience ?? Number.POSITIVE_INFINITY;
  return (state.best?.since ?? 0) >= patience;
}

function interrupted({ state, out }: Run): InterruptedError {
  if (state.step === 0) return new InterruptedError('interrupted before the first step; nothing was written');
  return new InterruptedError(`interrupted after step ${state.step}; a checkpoint is in ${out}: go on with --resume`);
}

function manifest({ base, recipe, hashes, rows }: Run): object {
  const { counts, mappings } = rows.dataset;
  return {
    model: { folder: base.folder, sha256: hashes.base },
    data: { sha256: hashes.data, rows: counts, files: mappings },
    template: recipe.template,
    machine: machine(),
  };
}
