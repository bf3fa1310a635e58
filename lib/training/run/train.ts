/** The training loop: steps, evaluations, checkpoints, and what comes out at the end, as a stream of events. */

import { StepPlan } from '../../data/index.js';
import { InterruptedError, WorkError } from '../../errors/index.js';
import { type ReadRecipe, resolvedRecipe } from '../../recipe/index.js';
import type { StartEvent, TrainingEvent } from '../events.js';
import { RunFolder } from './folder.js';
import { manifest } from './manifest_json.js';
import { checkpointPath, finishedOutput, isExhausted, keepCheckpoint, lastFlat, writeOutput } from './output.js';
import { outFolder, prepareRun, type Run, readInput, type TrainInput, type TrainOptions } from './prepare.js';
import { recipeWarnings, runFacts } from './recipe_warnings.js';
import { doneEvent, finalReport } from './report.js';
import { evaluateRun, takeRunStep } from './run_step.js';
import { sampleRun, samples } from './sample.js';
import { learningRate } from './schedule.js';
import { trainStages } from './stages.js';
import { begunAnew } from './starting_point.js';

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

async function* trainOne(input: ReadRecipe, options: TrainOptions, time?: string): AsyncGenerator<TrainingEvent, void, void> {
  const folder = new RunFolder(outFolder(input.recipe, options));
  try {
    if (options.resume === true) await folder.take();
    if (samples(input.recipe)) yield* sampleRun(input, options, folder, time);
    else yield* trainRun(input, options, folder, time);
  } catch (error) {
    if (couldNotWrite(error)) await folder.takeBack().catch(() => undefined);
    throw error;
  } finally {
    await folder.close();
  }
}

/** Where the first checkpoint finds no room, there is nothing to go on from, and the folder would bar the way of a new start. */
const couldNotWrite = (error: unknown) => error instanceof WorkError && ['disk_full', 'write_failed'].includes(error.code);

async function* trainRun(
  input: ReadRecipe,
  options: TrainOptions,
  folder: RunFolder,
  time?: string,
): AsyncGenerator<TrainingEvent, void, void> {
  const run = await prepareRun(input, options, time).catch((error) => Promise.reject(interruption(error, options.signal)));
  try {
    const output = run.resumed ? await finishedOutput(run) : undefined;
    if (output === undefined) yield* steps(run, folder, options.signal);
    else yield* finished(run, folder, output);
  } finally {
    await run.rollouts?.close();
    await run.held?.close();
    await run.teacher?.close();
    run.native.dispose();
  }
}

/** A run that had come to its end: the last event alone, told again where a kill came before it. */
async function* finished(run: Run, folder: RunFolder, output: string): AsyncGenerator<TrainingEvent, void, void> {
  const done = doneEvent(run, output);
  await folder.end(run.state.step, done);
  yield done;
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
  yield* beginning(run, folder, signal);
  let stopped = isExhausted(run);
  while (!stopped) {
    if (signal?.aborted && state.step < run.steps) throw interrupted(run);
    const taken = plan.next();
    if (taken === undefined) break;
    const step = state.step + 1;
    const rate = learningRate(step, run.steps, { ...recipe.train, warmup: state.fixed.warmup });
    const { event, remarks } = await takeRunStep(run, step, taken, rate);
    state.tookStep(event, plan.cursor);
    if (!folder.isOpen) await folder.create({ recipe: resolvedRecipe(recipe), manifest: runManifest(run) });
    yield await folder.tell(event);
    for (const remark of remarks) yield await folder.tell({ event: 'warning', step, ...remark });
    stopped = yield* afterStep(run, folder, signal);
  }
  const output = await writeOutput(run);
  yield await folder.finish(finalReport(run, output), doneEvent(run, output));
}

/** What is told before the first step of this process. */
async function* beginning(run: Run, folder: RunFolder, signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent, void, void> {
  const { rows, rollouts, held, teacher, recipe, state } = run;
  const start = startEvent(run);
  if (run.resumed) {
    const { step } = state;
    const checkpoint = { event: 'checkpoint' as const, step, path: checkpointPath(run, step) };
    await folder.reopen({ step, checkpoint, recipe: resolvedRecipe(recipe) });
    return yield start;
  }
  if (run.anew) yield begunAnew(run.out);
  yield await folder.tell(start);
  const ofRecipe = recipeWarnings(recipe, runFacts(run.sequences, rows.heldOut.length, run.steps));
  const beside = [rollouts, held, teacher].flatMap((one) => one?.warnings ?? []);
  for (const warning of [...rows.warnings, ...ofRecipe, ...beside]) yield await folder.tell({ event: 'warning', ...warning });
  if (rows.heldOut.length > 0 && !signal?.aborted) yield await folder.tell(await evaluateRun(run));
}

/** Evaluation and checkpoint, where they are due -> whether the run stops early. */
async function* afterStep(run: Run, folder: RunFolder, signal: AbortSignal | undefined): AsyncGenerator<TrainingEvent, boolean, void> {
  const { recipe, state, rows, steps } = run;
  const { step } = state;
  const isLast = step === steps;
  const before = state.lowest?.step;
  if (rows.heldOut.length > 0 && (isLast || step % (recipe.evaluate?.every ?? steps) === 0))
    yield await folder.tell(await evaluateRun(run));
  const stopped = isExhausted(run);
  const isDue = isLast || stopped || step % recipe.train.checkpointEvery === 0 || step === lastFlat(run);
  if (isDue || signal?.aborted || state.lowest?.step !== before) {
    const path = await keepCheckpoint(run);
    await folder.sync();
    yield await folder.tell({ event: 'checkpoint', step, path });
  }
  return stopped;
}

function startEvent({ native, rows, sequences, microBatchTokens, state, steps }: Run): StartEvent {
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

function interrupted({ state, out }: Run): InterruptedError {
  if (state.step === 0) return new InterruptedError('interrupted before the first step; nothing was written');
  return new InterruptedError(`interrupted after step ${state.step}; a checkpoint is in ${out}: go on with --resume`);
}

const runManifest = ({ base, recipe, state, rows }: Run): object => manifest(base, recipe, rows, state.fixed);
