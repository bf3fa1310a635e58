/**
 * A run that samples: the model answers every prompt several times, rewards rank the answers or leave that to people, and the rows lie in
 * `answers.jsonl` for the next stage. Prompts are taken a few at a time, each part with random numbers of its own, and every part is on the disk
 * before the next begins: a run that was cut goes on behind the last one, and ends in the same bytes.
 */
import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, removePartial, writeFault, writeWhole } from '../checkpoint/files.js';
import { loadNative, nativeAdapter } from '../checkpoint/native_model.js';
import type { Tokens } from '../data/index.js';
import { InterruptedError, RequestError } from '../errors/index.js';
import { broughtAdapter, type OptionsOf, type ReadRecipe, type Recipe, resolvedRecipe } from '../options/index.js';
import type { SampledEvent, TrainingEvent } from './events.js';
import { closeAll, Judges, openRewardFunctions } from './judges.js';
import { baseHashes, besideHashes, dataHashes, machine } from './manifest.js';
import { checkSampling } from './micro_batch.js';
import { openBase } from './open_base.js';
import { checkDevice, checkNewOutput, outFolder, type TrainOptions } from './prepare.js';
import { FrozenModels } from './reference.js';
import { type Answer, sampleAnswers } from './rollout_answers.js';
import { samplingSeed } from './rollout_step.js';
import { checkRoom } from './rollouts.js';
import { fewerPrompts, loadRows } from './rows.js';
import { RunFolder } from './run_folder.js';
import { refuseOtherRun } from './same_recipe.js';
import { noneSampled, type SampledCounts, type SampledRow, sampledRows } from './sampled_rows.js';
import { residentMiB } from './step.js';
import { fail, startingAdapter } from './weights.js';

/** The rows that such a run writes. */
export const ANSWERS = 'answers.jsonl';
/** Parts that are done, a line each. */
const PARTS = 'parts.jsonl';
/** Prompts of a part: with several answers each enough to fill the products, few enough to be taken again after a cut. */
const PROMPTS = 16;

/** Whether a recipe samples and trains nothing. */
export const samples = ({ method }: Pick<Recipe, 'method'>) => method.name === 'sample';

/** Whether its answers wait for somebody to rank them. */
export const waits = ({ method }: Pick<Recipe, 'method'>) => method.name === 'sample' && method.rewards === undefined;

interface Part {
  rows: SampledRow[];
  counts: SampledCounts;
}

/** @throws as training does, for everything that can be known before the first answer; InterruptedError after `signal`, with what was sampled kept */
export async function* sampleRun(read: ReadRecipe, options: TrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  const method = read.recipe.method as OptionsOf<'sample'>;
  const functions = await openRewardFunctions(method.rewards ?? []);
  const opened = await openSampling(read, options, functions).catch(async (error) => {
    await closeAll(functions);
    throw error;
  });
  try {
    yield* sampleParts(opened, options);
  } finally {
    await closeAll(functions);
    await opened.frozen.dispose();
    opened.native.dispose();
    await opened.folder.close();
  }
}

async function openSampling(read: ReadRecipe, options: TrainOptions, functions: Awaited<ReturnType<typeof openRewardFunctions>>) {
  const { signal, resume = false } = options;
  const out = outFolder(read.recipe, options);
  const folder = new RunFolder(out);
  if (!resume) await checkNewOutput(out);
  else if (!(await exists(out))) throw new RequestError('nothing_to_resume', `${out} has nothing to go on from; start without --resume`);
  checkDevice(read);
  const { base, tokenizer, recipe: fitting } = await openBase(read, options);
  const recipe = { ...fitting, out };
  const method = recipe.method as OptionsOf<'sample'>;
  const loaded = await loadRows({ ...recipe, evaluate: null }, tokenizer, { place: read.place, signal });
  const rows = fewerPrompts(loaded, method.prompts, recipe.train);
  checkRoom(recipe, base, rows.longest, read.place('method.maxNewTokens'));
  const data = await dataHashes(rows.datasets, signal);
  const hashes = { base: await baseHashes(base, signal), data, beside: await besideHashes(recipe, signal) };
  if (resume) await refuseOtherRun(out, recipe, hashes);
  // A new adapter is zero: the base answers.
  const adapter = broughtAdapter(recipe) === undefined ? undefined : await startingAdapter(recipe, base, read);
  await checkSampling({ ...recipe, method }, base.config, rows, { prompts: PROMPTS, judged: JUDGED_TOKENS });
  const { dtype, threads } = recipe.compute;
  const native = await loadNative(base, { dtype, threads });
  if (adapter !== undefined) await native.setAdapter(nativeAdapter(adapter)).catch((error) => fail(native, error));
  const frozen = new FrozenModels(recipe.compute, { base, native, isAdapter: true });
  const judged = Judges.open(method.rewards ?? [], functions, { base, tokenizer, microBatchTokens: JUDGED_TOKENS }, frozen);
  const judges = await judged.catch((error) => fail(native, error));
  return { out, folder, recipe, method, base, tokenizer, rows, hashes, native, frozen, judges, resumed: resume };
}

/** Tokens that reward models read at once. */
const JUDGED_TOKENS = 2048;

type Sampling = Awaited<ReturnType<typeof openSampling>>;

async function* sampleParts(run: Sampling, { signal }: TrainOptions): AsyncGenerator<TrainingEvent, void, void> {
  const { out, folder, rows, recipe, base, hashes } = run;
  const prompts = rows.sequences;
  const file = join(out, PARTS);
  if (run.resumed) {
    await removePartial(out);
    if (await exists(join(out, 'report.json'))) return yield { event: 'done', step: 0, output: join(out, ANSWERS) };
    await folder.reopen(0);
  } else {
    const model = { folder: base.folder, sha256: hashes.base };
    const read = { sha256: hashes.data, rows: rows.dataset.counts, files: rows.dataset.mappings };
    await folder.create({ recipe: resolvedRecipe(recipe), manifest: { model, data: read, beside: hashes.beside, machine: machine() } });
  }
  const done = await wholeParts(file);
  await writeWhole(file, done.map(lineOf).join(''));
  for (const warning of rows.warnings) yield await folder.tell({ event: 'warning', ...warning });
  while (done.length * PROMPTS < prompts.length) {
    if (signal?.aborted) throw new InterruptedError(`interrupted; what was sampled is in ${out}: go on with --resume`);
    const { part, event } = await samplePart(run, prompts, done.length, done.at(-1)?.counts ?? noneSampled());
    await appendFile(file, lineOf(part), { flush: true }).catch((error) => Promise.reject(writeFault(error, file)));
    done.push(part);
    yield await folder.tell(event);
  }
  const output = join(out, ANSWERS);
  const counts = done.at(-1)?.counts ?? noneSampled();
  await writeWhole(output, done.flatMap((part) => part.rows.map(lineOf)).join(''));
  const open = waits(recipe);
  await folder.report({ output, out, method: run.method, ...counts, ranked: !open });
  await rm(file, { force: true });
  if (open) yield await folder.tell({ event: 'warning', code: 'ranks_open', message: waiting(output) });
  yield await folder.tell({ event: 'done', step: 0, output });
}

const lineOf = (value: object) => `${JSON.stringify(value)}\n`;

/** What a person is to do with answers that nothing ranked. */
const waiting = (file: string) =>
  `the answers in ${file} have no ranks: write a rank to each, 1 for the best, equal ones for equally good, or delete what is not to be learnt from; then go on with --resume`;

/** Parts of a run that was cut; a line that was cut is none. */
async function wholeParts(file: string): Promise<Part[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole === ''
    ? []
    : whole
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Part);
}

async function samplePart(
  { native, tokenizer, method, recipe, judges }: Sampling,
  all: readonly Tokens[],
  number: number,
  before: SampledCounts,
): Promise<{ part: Part; event: SampledEvent }> {
  const start = performance.now();
  const prompts = all.slice(number * PROMPTS, (number + 1) * PROMPTS);
  const ids = prompts.map((prompt) => prompt.ids);
  const answers = await sampleAnswers(native, tokenizer, ids, method, samplingSeed(recipe.train.seed, number + 1));
  const rewards = method.rewards === undefined ? undefined : await judges.rewards(prompts, answers);
  const part = sampledRows(prompts, answers, rewards, recipe.template === 'chat', before);
  return { part, event: eventOf(part.counts, all.length, answers, rewards, (performance.now() - start) / 1000) };
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
