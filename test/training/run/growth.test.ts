// Runs that go on for more steps than they were begun with.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Recipe } from '../../../lib/recipe/index.js';
import { lastStepToGrowFrom } from '../../../lib/training/run/growth.js';
import { ADAPTER, lossesOf, stepsOf, stoppedAt, tinyRecipe, trained, writeRows } from '../../support/events.js';
import { tinyPairs } from '../../support/preferences.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const resume = { resume: true };
const weights = (out: string) => readFileSync(join(out, 'adapter/adapter_model.safetensors'));
const longer = <R extends { train?: unknown }>(recipe: R, train: object) =>
  ({ ...recipe, train: { ...(recipe.train as object), ...train } }) as R;

describe.each(['constant', 'wsd'])('a run with the schedule %s', (schedule) => {
  const begun = () => tinyRecipe(place(), { adapter: ADAPTER, train: { steps: 5, schedule, warmup: 2, decay: 0.2, checkpointEvery: 2 } });

  it('grows to what it had been with that length from the start: after its end, and when that is cut as well', async () => {
    const recipe = begun();
    const whole = { ...longer(recipe, { steps: 9 }), out: place() };
    await trained(whole);
    await trained(recipe);
    const grown = longer(recipe, { steps: 9 });
    await stoppedAt(grown, 7, resume);
    expect(readdirSync(recipe.out)).not.toContain('report.json');
    const events = await trained(grown, resume);
    expect(stepsOf(events).map(({ step }) => step)).toEqual([8, 9]);
    expect(weights(recipe.out)).toEqual(weights(whole.out));
    const told = readFileSync(join(recipe.out, 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told.filter(({ event }) => event === 'step').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await trained(grown, resume)).toHaveLength(1);
  });

  it('keeps the steps of warm-up that it was begun with, where they are a share', async () => {
    const recipe = longer(begun(), { warmup: 0.4 });
    await trained(recipe);
    const events = stepsOf(await trained(longer(recipe, { steps: 20 }), resume));
    expect(events[0]?.learningRate).toBe(1e-3);
  });
});

it('grows from the last checkpoint before wsd went down, and says so where there is none', async () => {
  const recipe = tinyRecipe(place(), { train: { steps: 6, schedule: 'wsd', decay: 0.5, checkpointEvery: 1 } });
  await trained(recipe);
  expect(readdirSync(join(recipe.out, 'checkpoints')).sort()).toEqual(['step-000003', 'step-000005', 'step-000006']);
  rmSync(join(recipe.out, 'checkpoints/step-000003'), { recursive: true });
  await expect(trained(longer(recipe, { steps: 12 }), resume)).rejects.toMatchObject({
    code: 'recipe_changed',
    message: expect.stringContaining('goes down after step 3'),
  });
  expect(await trained(recipe, resume)).toHaveLength(1);
});

it.each(['linear', 'cosine'])('is refused with the schedule %s, with what to do', async (schedule) => {
  const recipe = tinyRecipe(place(), { train: { steps: 4, schedule } });
  await stoppedAt(recipe, 3);
  await expect(trained(longer(recipe, { steps: 8 }), resume)).rejects.toMatchObject({
    code: 'recipe_changed',
    kind: 'request',
    message: expect.stringMatching(/begun with 4 steps.*now asks for 8.*begin a new run from what this one made/),
  });
});

it('may be told in epochs, and may not shrink', async () => {
  const recipe = longer(tinyRecipe(place(), { train: { schedule: 'constant' } }), { steps: undefined, epochs: 1 });
  expect(lossesOf(await trained(recipe))).toHaveLength(6);
  expect(lossesOf(await trained(longer(recipe, { epochs: 2 }), resume))).toHaveLength(6);
  const shrunk = longer(recipe, { epochs: 0.5 });
  await expect(trained(shrunk, resume)).rejects.toMatchObject({ message: expect.stringContaining('may grow, not shrink') });
  const { train } = recipe as unknown as Recipe;
  expect(lastStepToGrowFrom({ train: { ...train, schedule: 'cosine' } } as Recipe, { before: 4, now: 4 })).toBe(Number.POSITIVE_INFINITY);
});

it('keeps the way in which its reference was computed', async () => {
  const recipe = tinyRecipe(place(), {
    adapter: { ...ADAPTER, dropout: 0 },
    method: 'dpo',
    train: { rowsPerStep: 2, steps: 4, schedule: 'constant', warmup: 0 },
  });
  writeRows(recipe.data, tinyPairs(12));
  await trained(recipe);
  const grown = longer(recipe, { steps: 14 });
  await stoppedAt(grown, 9, resume);
  await trained(grown, resume);
  const report = JSON.parse(readFileSync(join(recipe.out, 'report.json'), 'utf8'));
  expect(report.reference.computed).toBe('every step');
});
