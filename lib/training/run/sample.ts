/**
 * A run that samples: the model answers every prompt several times, rewards rank the answers or leave that to people, and the rows lie in
 * `answers.jsonl` for the next stage. Prompts are taken a few at a time, each part with random numbers of its own, and every part is on the disk
 * before the next begins: a run that was cut goes on behind the last one, and ends in the same bytes.
 */

import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, writeFault } from '../../checkpoint/files.js';
import { wholeLines, writeLines } from '../../checkpoint/lines.js';
import { loadNative, nativeAdapter } from '../../checkpoint/native_model.js';
import type { Tokens } from '../../data/index.js';
import { InterruptedError, RequestError } from '../../errors/index.js';
import { methodOf, methods, type SampleOptions } from '../../methods/index.js';
import { broughtAdapter, type ReadRecipe, type Recipe, resolvedRecipe } from '../../recipe/index.js';
import type { SampledEvent, TrainingEvent, WarningEvent } from '../events.js';
import { FrozenModels } from '../reference/reference.js';
import { type Answer, sampleAnswers } from '../rollout/answers.js';
import { closeAll, Judges, openRewardFunctions } from '../rollout/judges.js';
import { checkRoom } from '../rollout/rollouts.js';
import { samplingSeed } from '../rollout/step.js';
import { residentMiB } from '../step/step.js';
import { isBegun, isReported, type RunFolder } from './folder.js';
import { begunWith, manifest } from './manifest_json.js';
import { checkSampling } from './micro_batch.js';
import { basePlace, openBaseIn } from './open_base.js';
import { checkDevice, outFolder, type TrainOptions } from './prepare.js';
import { fewerPrompts, loadRows } from './rows.js';
import { checkSameFiles, runHashes } from './same_files.js';
import { recipeIn, refuseOtherRecipe } from './same_recipe.js';
import { noneSampled, type SampledCounts, type SampledRow, sampledRows } from './sampled_rows.js';
import { checkNewOutput, checkStart } from './starting_point.js';
import { dateAt, wallTime } from './time.js';
import { fail, startingAdapter } from './weights.js';

/** The rows that such a run writes. */
export const ANSWERS = 'answers.jsonl';
/** Parts that are done, a line each. */
const PARTS = 'parts.jsonl';
/** Prompts of a part: with several answers each enough to fill the products, few enough to be taken again after a cut. */
const PROMPTS = 16;

/** Whether a recipe samples and trains nothing. */
export const samples = ({ method }: Pick<Recipe, 'method'>) => methods[method.name].needs.samples === true;

/** Whether its answers wait for somebody to rank them. */
export const waits = ({ method }: Pick<Recipe, 'method'>) => methodOf(method).waits?.(method) === true;

interface Part {
  rows: SampledRow[];
  counts: SampledCounts;
  /** What was told of it. */
  event: SampledEvent;
}

/**
 * @param folder of the run; it is taken where the run goes on
 * @throws as training does, for everything that can be known before the first answer; InterruptedError after `signal`, with what was sampled kept
 */
export async function* sampleRun(
  read: ReadRecipe,
  options: TrainOptions,
  folder: RunFolder,
  time?: string,
): AsyncGenerator<TrainingEvent, void, void> {
  const method = read.recipe.method as SampleOptions;
  const functions = await openRewardFunctions(method.rewards ?? []);
  const opened = await openSampling(read, options, functions, time).catch(async (error) => {
    await closeAll(functions);
    throw error;
  });
  try {
    yield* sampleParts(opened, folder, options);
  } finally {
    await closeAll(functions);
    await opened.frozen.dispose();
    opened.native.dispose();
  }
}

/** What an earlier process began in the folder, for `--resume`. */
async function begunSampling(out: string) {
  if (!(await isBegun(out))) throw new RequestError('nothing_to_resume', `${out} has nothing to go on from; start without --resume`);
  return begunWith(out);
}

async function openSampling(
  read: ReadRecipe,
  options: TrainOptions,
  functions: Awaited<ReturnType<typeof openRewardFunctions>>,
  begun?: string,
) {
  const { signal, resume = false } = options;
  const out = outFolder(read.recipe, options);
  if (!resume) await checkNewOutput(out);
  const before = resume ? await begunSampling(out) : undefined;
  checkDevice(read);
  const place = await basePlace(read, options);
  const known = before && (await checkStart(before, read.recipe, place, { signal }));
  const { base, tokenizer, recipe: fitting } = await openBaseIn(place, read);
  const recipe = { ...fitting, out, evaluate: null };
  if (resume) refuseOtherRecipe(recipeIn(out), { ...fitting, out }, 'the recipe is not the one that was begun');
  const method = recipe.method as SampleOptions;
  const time = before?.time ?? begun ?? wallTime();
  const loaded = await loadRows(recipe, tokenizer, { place: read.place, signal, now: dateAt(time) });
  const rows = fewerPrompts(loaded, method.prompts, recipe.train);
  checkRoom(recipe, base, rows.longest, read.place('method.maxNewTokens'));
  const hashes = await runHashes(recipe, base, rows, { known, signal });
  if (before !== undefined) checkSameFiles(before.hashes, hashes);
  // A new adapter is zero: the base answers.
  const adapter = broughtAdapter(recipe) === undefined ? undefined : await startingAdapter(recipe, base, read);
  await checkSampling({ ...recipe, method }, base.config, rows, { prompts: PROMPTS, judged: JUDGED_TOKENS });
  const { dtype, threads } = recipe.compute;
  const native = await loadNative(base, { dtype, threads });
  if (adapter !== undefined) await native.setAdapter(nativeAdapter(adapter)).catch((error) => fail(native, error));
  const frozen = new FrozenModels(recipe.compute, { base, native, isAdapter: true });
  const judged = Judges.open(method.rewards ?? [], functions, { base, tokenizer, microBatchTokens: JUDGED_TOKENS }, frozen);
  const judges = await judged.catch((error) => fail(native, error));
  const warnings = [...base.warnings, ...(adapter?.warnings ?? []), ...rows.warnings, ...frozen.warnings];
  const first = { recipe: resolvedRecipe({ ...fitting, out }), manifest: manifest(base, recipe, rows, { hashes, time }) };
  return { out, recipe, method, tokenizer, rows, warnings, first, native, frozen, judges, resumed: resume };
}

/** Tokens that reward models read at once. */
const JUDGED_TOKENS = 2048;

type Sampling = Awaited<ReturnType<typeof openSampling>>;

async function* sampleParts(run: Sampling, folder: RunFolder, { signal }: TrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { out, rows, method } = run;
  const prompts = rows.sequences;
  if (run.resumed && (await isReported(out))) return yield* ended(run, folder);
  const done = run.resumed ? await goOn(run, folder) : [];
  if (!run.resumed) yield* begin(run, folder);
  while (done.length * PROMPTS < prompts.length) {
    if (signal?.aborted) throw new InterruptedError(`interrupted; what was sampled is in ${out}: go on with --resume`);
    const part = await samplePart(run, prompts, done.length, done.at(-1)?.counts ?? noneSampled());
    await appendPart(join(out, PARTS), part);
    done.push(part);
    yield await folder.tell(part.event);
  }
  const output = join(out, ANSWERS);
  const counts = done.at(-1)?.counts ?? noneSampled();
  await writeLines(output, linesOf(done));
  if (waits(run.recipe)) yield await folder.tell(ranksOpen(output));
  const report = { output, out, method, ...counts, ranked: !waits(run.recipe) };
  const last = await folder.finish(report, { event: 'done', step: 0, output });
  await removeParts(out);
  yield last;
}

async function* begin({ warnings, first }: Sampling, folder: RunFolder): AsyncGenerator<TrainingEvent, void, void> {
  await folder.create(first);
  for (const warning of warnings) yield await folder.tell({ event: 'warning', ...warning });
}

/** Parts that are done; metrics.jsonl is written anew from them, as a part and its event are one line of one file. */
async function goOn({ out, warnings }: Sampling, folder: RunFolder): Promise<Part[]> {
  const file = join(out, PARTS);
  const done = await wholeParts(file);
  await writeLines(file, partLines(done));
  const told = warnings.map((warning): TrainingEvent => ({ event: 'warning', ...warning }));
  await folder.reopenWith([...told, ...done.map(({ event }) => event)]);
  return done;
}

/** A run that had come to its end: the last event alone, told again where a kill came before it. */
async function* ended({ out }: Sampling, folder: RunFolder): AsyncGenerator<TrainingEvent, void, void> {
  const done = { event: 'done' as const, step: 0, output: join(out, ANSWERS) };
  await folder.end(0, done);
  await removeParts(out);
  yield done;
}

const ranksOpen = (output: string): WarningEvent => ({ event: 'warning', code: 'ranks_open', message: waiting(output) });

async function removeParts(out: string): Promise<void> {
  const file = join(out, PARTS);
  await rm(file, { force: true }).catch((error) => Promise.reject(writeFault(error, file)));
}

async function appendPart(file: string, part: Part): Promise<void> {
  await appendFile(file, `${JSON.stringify(part)}\n`, { flush: true }).catch((error) => Promise.reject(writeFault(error, file)));
}

function* linesOf(parts: readonly Part[]): Generator<string> {
  for (const { rows } of parts) for (const row of rows) yield JSON.stringify(row);
}

function* partLines(parts: readonly Part[]): Generator<string> {
  for (const part of parts) yield JSON.stringify(part);
}

/** What a person is to do with answers that nothing ranked. */
const waiting = (file: string) =>
  `the answers in ${file} have no ranks: write a rank to each, 1 for the best, equal ones for equally good, or delete what is not to be learnt from; then go on with --resume`;

/** Parts of a run that was cut; a line that was cut is none, and what comes behind one that holds no part is sampled again. */
async function wholeParts(file: string): Promise<Part[]> {
  const parts: Part[] = [];
  if (!(await exists(file))) return parts;
  for await (const line of wholeLines(file)) {
    const part = partIn(line);
    if (part === undefined) break;
    parts.push(part);
  }
  return parts;
}

function partIn(line: string): Part | undefined {
  try {
    const part = JSON.parse(line) as Part;
    return part.event === undefined ? undefined : part;
  } catch {
    return undefined;
  }
}

async function samplePart(
  { native, tokenizer, method, recipe, judges }: Sampling,
  all: readonly Tokens[],
  number: number,
  before: SampledCounts,
): Promise<Part> {
  const start = performance.now();
  const prompts = all.slice(number * PROMPTS, (number + 1) * PROMPTS);
  const ids = prompts.map((prompt) => prompt.ids);
  const answers = await sampleAnswers(native, tokenizer, ids, method, samplingSeed(recipe.train.seed, number + 1));
  const rewards = method.rewards === undefined ? undefined : await judges.rewards(prompts, answers);
  const part = sampledRows(prompts, answers, rewards, recipe.template === 'chat', before);
  return { ...part, event: eventOf(part.counts, all.length, answers, rewards, (performance.now() - start) / 1000) };
}

function eventOf(
  { prompts, answers: kept }: SampledCounts,
  of: number,
  answers: readonly Answer[],
  rewards: Float64Array | undefined,
  seconds: number,
): SampledEvent {
  const mean = (sum: number) => sum / answers.length;
  const tokens = answers.reduce((sum, { ids }) => sum + ids.length, 0);
  return {
    event: 'sampled',
    prompts,
    of,
    answers: kept,
    tokens,
    tokensPerSecond: tokens / seconds,
    memoryMiB: residentMiB(),
    ...(rewards && { reward: mean(rewards.reduce((sum, value) => sum + value, 0)) }),
    completionLength: mean(tokens),
    stoppedShare: mean(answers.filter(({ stopped }) => stopped).length),
  };
}
