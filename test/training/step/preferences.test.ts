// Methods that learn from recorded preferences, from recipes: they learn, however a step is cut, and a stopped run ends in the bytes of a whole one.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelFolder } from '../../../lib/checkpoint/model_folder.js';
import { parseRecipe } from '../../../lib/recipe/index.js';
import { expectRatio, ROUNDINGS } from '../../support/bounds.js';
import { ADAPTER, evaluationsOf, lossesOf, stepsOf, stoppedAt, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs, tinyRankings, tinyThumbs } from '../../support/preferences.js';
import { placesIn, scratchFolder, writeTinyModel } from '../../support/tiny_model.js';

const scratch = scratchFolder();
process.env.ATTUNE_CACHE = join(scratch, 'cache');
const place = placesIn(scratch);

const PAIRS = tinyPairs(20);
const METHODS: [string, Record<string, unknown>, object[]][] = [
  ['reward', { name: 'reward', centering: 0.01 }, PAIRS],
  ['reward from rankings', { name: 'reward', ranking: 'plackettLuce' }, tinyRankings(16)],
  ['dpo', { name: 'dpo', ldAlpha: 0.5 }, PAIRS],
  ['dpo that sorts the whole step', { name: 'dpo', loss: ['aot', 'sft'], lossWeights: [1, 0.1] }, PAIRS],
  ['kto by the step', { name: 'kto', kl: 'step' }, tinyThumbs(20)],
  ['kto by rows that do not match', { name: 'kto', kl: 'batch' }, PAIRS],
  ['orpo over the whole row', { name: 'orpo', likelihood: 'full' }, PAIRS],
  ['simpo', { name: 'simpo' }, PAIRS],
  ['cpo from rankings', { name: 'cpo' }, tinyRankings(16)],
];
const FIGURES = ['rewardChosen', 'rewardRejected', 'rewardMargin'];
/** In file order every step of thumbs has both kinds, without which some figures are left out. */
const QUICK = { learningRate: 5e-3, schedule: 'constant', warmup: 0, rowsPerStep: 4, shuffle: false };
/**
 * Sixteen roundings of fp32 (2^-24 each), of numbers of the size of 1 and of the figure. The first step's losses are the same bits however it is cut;
 * its gradient is a sum over up to eight micro-batches in another order, and what AdamW makes of it goes through two steps more.
 */
const CUT = ROUNDINGS;

describe.each(METHODS)('%s', (_name, method, rows) => {
  it('learns, and tells the figures of its kind', async () => {
    const recipe = preferenceRecipe(place(), method, rows, { adapter: { ...ADAPTER, dropout: 0 }, train: { ...QUICK, steps: 15 } });
    const steps = stepsOf(await trained(recipe));
    const mean = (some: typeof steps, name: string) => some.reduce((sum, step) => sum + Number(step[name]), 0) / some.length;
    expect(mean(steps.slice(-5), 'loss')).toBeLessThan(mean(steps.slice(0, 5), 'loss'));
    expect(mean(steps.slice(-5), 'rewardMargin')).toBeGreaterThan(mean(steps.slice(0, 5), 'rewardMargin'));
    for (const name of method.name === 'reward' ? FIGURES : [...FIGURES, 'logpChosen', 'logpRejected'])
      for (const step of steps) expect(Number.isFinite(step[name]), `${name} of step ${step.step}`).toBe(true);
    expect(steps.every(({ kl }) => (method.name === 'kto' ? Number(kl) >= 0 : kl === undefined))).toBe(true);
  });

  it('gives the same however a step is cut', async () => {
    const folder = place();
    const runs = [];
    for (const microBatchTokens of [1, 90, 'auto']) {
      const recipe = preferenceRecipe(folder, method, rows, { adapter: ADAPTER, train: { ...QUICK, steps: 3, microBatchTokens } });
      runs.push(stepsOf(await trained(recipe, { out: place() })));
    }
    for (const other of runs.slice(1))
      for (const [n, step] of other.entries())
        for (const name of ['loss', 'gradientNorm', ...FIGURES]) {
          const wanted = Number(runs[0]?.[n]?.[name]);
          expect(Math.abs(Number(step[name]) - wanted), `${name} of step ${n + 1}`).toBeLessThan(CUT * (1 + Math.abs(wanted)));
        }
  });

  it('ends in the bytes of a run that was never stopped', async () => {
    const recipe = preferenceRecipe(place(), method, rows, {
      adapter: ADAPTER,
      train: { ...QUICK, steps: 6, shuffle: true },
      evaluate: { fraction: 0.2, every: 2 },
    });
    const whole = await trained({ ...recipe, out: place() });
    await stoppedAt(recipe, 3);
    const rest = await trained(recipe, { resume: true });
    expect(lossesOf(rest)).toEqual(lossesOf(whole).slice(3));
    expect(evaluationsOf(rest)).toEqual(evaluationsOf(whole).filter(({ step }) => step > 3));
    const file = (events: typeof whole) => readFileSync(join((events.at(-1) as { output: string }).output, 'adapter_model.safetensors'));
    expect(file(rest)).toEqual(file(whole));
  });
});

describe('kto', () => {
  it.each(['step', 'batch'])('takes the last point of reference in a last step of one row, kl: %s', async (kl) => {
    const recipe = preferenceRecipe(place(), { name: 'kto', kl }, tinyThumbs(9), {
      adapter: { ...ADAPTER, dropout: 0 },
      train: { ...QUICK, learningRate: 5e-2, steps: undefined, epochs: 1, checkpointEvery: 1 },
    });
    const steps = stepsOf(await trained({ ...recipe, out: place() }));
    expect(steps.map(({ kl: point }) => point)).toEqual([0, expect.any(Number), steps[1]?.kl]);
    await stoppedAt(recipe, 2);
    expect(lossesOf(await trained(recipe, { resume: true }))).toEqual([steps[2]?.loss]);
  });

  it('refuses steps of one row', () => {
    const recipe = preferenceRecipe(place(), { name: 'kto' }, tinyThumbs(4), { train: { ...QUICK, rowsPerStep: 1, steps: 1 } });
    expect(() => parseRecipe(recipe)).toThrow(
      expect.objectContaining({ code: 'bad_recipe', message: expect.stringContaining('train.rowsPerStep') }),
    );
  });
});

describe('held-out preferences', () => {
  it('are judged by the method’s own loss and figures, and by them training stops', async () => {
    const recipe = preferenceRecipe(place(), { name: 'dpo' }, PAIRS, {
      adapter: ADAPTER,
      train: { ...QUICK, steps: 30, earlyStopping: { patience: 1, minimum: 10 } },
      evaluate: { fraction: 0.25, every: 2 },
    });
    const events = await trained(recipe);
    const [first] = evaluationsOf(events);
    expect(first?.step).toBe(0);
    expectRatio(first!.loss as number, Math.log(2), ROUNDINGS, 'first loss');
    // The adapter is new: policy and reference are one.
    expect(first?.rewardMargin).toBe(0);
    expect(first).not.toHaveProperty('nll');
    expect(events.at(-1)).toMatchObject({ event: 'done', step: 2 });
    expect(JSON.parse(readFileSync(join(recipe.out, 'report.json'), 'utf8')).evaluation.best).toMatchObject({ step: 0, loss: first?.loss });
  });

  it('are judged by the loss where the method tells a likelihood too', async () => {
    const change = { adapter: ADAPTER, train: QUICK, evaluate: { fraction: 0.25, every: 2 } };
    const recipe = preferenceRecipe(place(), { name: 'orpo' }, PAIRS, change);
    const events = evaluationsOf(await trained(recipe));
    const { best } = JSON.parse(readFileSync(join(recipe.out, 'report.json'), 'utf8')).evaluation;
    expect(Math.abs((events[0]?.nll as number) - (events[0]?.loss as number))).toBeGreaterThan(1e-2);
    expect(best.loss).toBe(Math.min(...events.map(({ loss }) => loss as number)));
  });
});

it('refuses a reference whose tokenizer is another one of the same size', async () => {
  const reference = writeTinyModel(join(place(), 'model'));
  const recipe = preferenceRecipe(place(), { name: 'dpo', reference }, PAIRS, { train: { ...QUICK, steps: 1 } });
  await trained(recipe);
  const file = join(reference, 'tokenizer.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  const [one, two] = Object.keys(json.model.vocab).slice(40, 42) as [string, string];
  [json.model.vocab[one], json.model.vocab[two]] = [json.model.vocab[two], json.model.vocab[one]];
  writeFileSync(file, JSON.stringify(json));
  await expect(trained({ ...recipe, out: place() })).rejects.toMatchObject({
    code: 'tokenizer_differs',
    kind: 'data',
    message: expect.stringContaining('reference'),
  });
});

describe('the reference', () => {
  const steps = async (reference: string, change: Record<string, unknown>, out = place()) =>
    stepsOf(
      await trained(preferenceRecipe(shared, { name: 'dpo', reference }, PAIRS, { train: { ...QUICK, steps: 3 }, ...change }), { out }),
    );
  const shared = place();
  const before = place();

  it('is the base where the adapter is new, and a frozen copy where it is brought', async () => {
    const fresh = { adapter: { ...ADAPTER, dropout: 0 } };
    expect(await losses(steps('start', fresh, before))).toEqual(await losses(steps('base', fresh)));
    const brought = { adapter: { from: join(before, 'adapter') } };
    const [start, base, folder] = await Promise.all(['start', 'base', join(before, 'adapter')].map((one) => steps(one, brought)));
    const far = (loss: number | undefined) => Math.abs((loss as number) / Math.log(2) - 1);
    expect(far(start?.[0]?.loss)).toBeLessThanOrEqual(ROUNDINGS);
    for (const moved of [start?.[2]?.loss, base?.[0]?.loss]) expect(far(moved)).toBeGreaterThan(100 * ROUNDINGS);
    expect(folder?.map(({ loss }) => loss)).toEqual(start?.map(({ loss }) => loss));
  });

  it('is a second model where all weights are trained, or another folder', async () => {
    const all = await steps('start', {});
    expectRatio(all[0]!.loss, Math.log(2), ROUNDINGS, 'first loss');
    expect(all[2]?.rewardMargin).not.toBe(0);
    expect(await losses(steps(join(shared, 'model'), {}))).toEqual(all.map(({ loss }) => loss));
    await expect(steps(join(shared, 'nobody'), {})).rejects.toMatchObject({ kind: 'data', code: 'missing_model' });
  });

  const losses = async (found: Promise<{ loss: number }[]>) => (await found).map(({ loss }) => loss);
});

it('opens the base that a run of dpo over all weights wrote', async () => {
  const recipe = preferenceRecipe(place(), { name: 'dpo' }, PAIRS, { train: { ...QUICK, steps: 1 } });
  const done = (await trained(recipe)).at(-1) as { output: string };
  expect((await openModelFolder(done.output)).score).toBeUndefined();
});
