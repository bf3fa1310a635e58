/** The training loop: steps, evaluations, checkpoints, and what comes out at the end, as a stream of events. */

import { StepPlan, type Warning } from '../data/index.js';
import { InterruptedError } from '../errors/index.js';
import { type ReadRecipe, resolvedRecipe } from '../options/index.js';
import type { EvaluationEvent, StartEvent, StepEvent, TrainingEvent } from './events.js';
import { evaluateHeldOut } from './held_out.js';
import { machine } from './manifest.js';
import { finishedOutput, keepCheckpoint, writeOutput } from './output.js';
import { watchedPreference } from './preference_warnings.js';
import { prepareRun, type Run, readInput, type TrainInput, type TrainOptions } from './prepare.js';
import { finalReport } from './report.js';
import { takeRolloutStep } from './rollout_step.js';
import { watched } from './rollout_warnings.js';
import { RunFolder } from './run_folder.js';
import { sampleRun, samples } from './sample.js';
import { learningRate } from './schedule.js';
import { trainStages } from './stages.js';
import { takeStep } from './step.js';

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
  if (run.resumed) await folder.reopen(state.step);
  const tell = async <E extends TrainingEvent>(event: E): Promise<E> => {
    await folder.tell(event);
    return event;
  };
  const start = startEvent(run, count);
  yield run.resumed ? start : await tell(start);
  if (!run.resumed)
    for (const warning of [...rows.warnings, ...(run.held?.warnings ?? [])]) yield await tell({ event: 'warning', ...warning });
  if (!run.resumed && rows.heldOut.length > 0 && !signal?.aborted) yield await tell(await evaluation(run));
  let stopped = isExhausted(run);
  while (!stopped) {
    if (signal?.aborted && state.step < count) throw interrupted(run);
    const taken = plan.next();
    if (taken === undefined) break;
    const step = state.step + 1;
    const { event, remarks } = await stepOf(run, step, taken, learningRate(step, count, recipe.train));
    state.tookStep(event, plan.cursor);
    if (!folder.isOpen) await folder.create({ recipe: resolvedRecipe(recipe), manifest: manifest(run) });
    yield await tell(event);
    for (const remark of remarks) yield await tell({ event: 'warning', step, ...remark });
    const isLast = step === count;
    const before = state.best?.step;
    if (rows.heldOut.length > 0 && (isLast || step % (recipe.evaluate?.every ?? count) === 0)) yield await tell(await evaluation(run));
    stopped = isExhausted(run);
    const isDue = isLast || stopped || step % recipe.train.checkpointEvery === 0;
    if (isDue || signal?.aborted || state.best?.step !== before) {
      const path = await keepCheckpoint(run);
      await folder.sync();
      yield await tell({ event: 'checkpoint', step, path });
    }
  }
  const output = await writeOutput(run);
  await folder.report(finalReport(run, output));
  yield await tell({ event: 'done', step: state.step, output });
}

/** Takes a step as its method wants it, with what is to be said of it. */
async function stepOf(run: Run, step: number, rows: Int32Array, rate: number): Promise<{ event: StepEvent; remarks: Warning[] }> {
  const { rollouts, state, tokenizer } = run;
  if (rollouts === undefined) {
    const { event, state: method } = await takeStep(stepSetting(run), step, rows, rate, state.rows.method);
    const { warnings, watch } = watchedPreference(state.rows.watch, event, run.recipe.method);
    state.rows = { method, watch };
    return { event, remarks: warnings };
  }
  // Answers are sampled with nothing dropped, and trained as they were sampled.
  const setting = { ...stepSetting(run), ...rollouts, tokenizer, dropout: 0, known: undefined };
  const taken = await takeRolloutStep(setting, step, rows, rate, state.rollouts);
  const { warnings, watch } = watched(state.rollouts.watch, taken.event);
  state.rollouts = { ...taken.state, watch };
  return { event: taken.event, remarks: warnings };
}

const stepSetting = ({ native, recipe, sequences, microBatchTokens, adapter, held, masks, teacher }: Run) => ({
  native,
  recipe,
  sequences,
  microBatchTokens,
  dropout: adapter?.dropout ?? 0,
  reference: held?.reference,
  known: held?.known,
  teacher,
  masks,
});

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

async function evaluation(run: Run): Promise<EvaluationEvent> {
  const { rows, state, recipe } = run;
  const event = await evaluateHeldOut({ ...stepSetting(run), dropout: 0 }, rows.heldOut, state.step);
  state.evaluated(event, recipe.train.earlyStopping?.minimum ?? 0);
  return event;
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
