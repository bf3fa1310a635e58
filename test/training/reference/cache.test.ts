// The reference computed once and kept: when, under which name, and with the same figures as computed every step.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Train } from '../../../lib/recipe/index.js';
import { comesAgain } from '../../../lib/training/reference/cache.js';
import { expectRatio, ROUNDINGS } from '../../support/bounds.js';
import { ADAPTER, evaluationsOf, lossesOf, stepsOf, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs, tinyThumbs } from '../../support/preferences.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
let cache = '';
beforeEach(() => {
  cache = place();
  process.env.ATTUNE_CACHE = cache;
});

const kept = () => (existsSync(join(cache, 'reference')) ? readdirSync(join(cache, 'reference')) : []);
const told = (out: string) => JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')).reference;
const TRAIN = { rowsPerStep: 4, learningRate: 5e-3, schedule: 'constant', warmup: 0, shuffle: false };
const recipeOf = (method: object, change: Record<string, unknown>, steps: number, rows: object[] = tinyPairs(8)) =>
  preferenceRecipe(place(), method, rows, { train: { ...TRAIN, steps }, ...change });

describe.each([
  ['an adapter', { adapter: ADAPTER }, { name: 'dpo' }, tinyPairs(8)],
  ['all weights', {}, { name: 'dpo' }, tinyPairs(8)],
  ['thumbs, whose prompts also meet other answers', { adapter: ADAPTER }, { name: 'kto', kl: 'batch' }, tinyThumbs(8)],
])('a reference beside %s', (_what, change, method, rows) => {
  it('is computed once where rows come again, and taken from the disk by the next run', async () => {
    const recipe = recipeOf(method, { ...change, evaluate: { fraction: 0.2, every: 2 } }, 5, rows);
    const first = await trained(recipe);
    expect(kept()).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.safetensors$/)]);
    expect(told(recipe.out)).toMatchObject({ computed: 'once', file: join(cache, 'reference', kept()[0] as string) });
    const again = { ...recipe, out: place() };
    const second = await trained(again);
    expect(told(again.out).computed).toBe('by an earlier run');
    expect(lossesOf(second)).toEqual(lossesOf(first));
    expect(evaluationsOf(second)).toEqual(evaluationsOf(first));
  });

  it('gives what it gives when computed every step', async () => {
    const once = stepsOf(await trained(recipeOf(method, change, 5, rows)));
    const recipe = recipeOf(method, change, 2, rows);
    const everyStep = stepsOf(await trained(recipe));
    expect(told(recipe.out)).toEqual({ computed: 'every step' });
    for (const [n, { loss, gradientNorm }] of everyStep.entries()) {
      expectRatio(once[n]!.loss, loss, ROUNDINGS, `loss of step ${n + 1}`);
      expectRatio(once[n]!.gradientNorm, gradientNorm, ROUNDINGS, `norm of step ${n + 1}`);
    }
  });
});

it('is another one for other rows, another base or another reference, and computed anew where its file is broken', async () => {
  const recipe = recipeOf({ name: 'dpo' }, { adapter: ADAPTER }, 5);
  const losses = lossesOf(await trained(recipe));
  await trained({ ...recipe, out: place(), data: recipeOf({ name: 'dpo' }, {}, 5, tinyPairs(7)).data } as never);
  expect(kept()).toHaveLength(2);
  await trained({ ...recipe, out: place(), adapter: { from: join(recipe.out, 'adapter') } } as never);
  expect(kept()).toHaveLength(3);
  for (const name of kept()) writeFileSync(join(cache, 'reference', name), 'torn');
  const again = { ...recipe, out: place() };
  expect(lossesOf(await trained(again))).toEqual(losses);
  expect(told(again.out).computed).toBe('once');
});

it('is not kept where the disk refuses, which is told and ends nothing', async () => {
  mkdirSync(cache);
  writeFileSync(join(cache, 'reference'), 'a file in the way');
  const events = await trained(recipeOf({ name: 'dpo' }, { adapter: ADAPTER }, 5));
  expect(events).toContainEqual(expect.objectContaining({ event: 'warning', code: 'reference_not_kept' }));
  expect(events.at(-1)).toMatchObject({ event: 'done' });
});

it('is worth its file from two passes over the rows on', () => {
  const rows = tinyPairs(10).map((_, n) => ({ ids: new Int32Array(5), member: 0, unit: { rows: 1, number: n } })) as never[];
  const worth = (train: Partial<Train>) => comesAgain(train as Train, rows);
  expect([worth({ epochs: 1 }), worth({ epochs: 2 })]).toEqual([false, true]);
  expect([worth({ steps: 4, rowsPerStep: 4 }), worth({ steps: 5, rowsPerStep: 4 })]).toEqual([false, true]);
  expect([worth({ steps: 3, tokensPerStep: 30 }), worth({ steps: 4, tokensPerStep: 30 })]).toEqual([false, true]);
});
