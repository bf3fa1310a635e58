// Answers sampled for ranking: rows for the next stage, ranked by a function or by people.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRecipe, readRecipe, type StagedInput } from '../../../lib/recipe/index.js';
import { previewRecipe } from '../../../lib/training/run/preview.js';
import { ADAPTER, stepsOf, stoppedWhen, tinyRecipe, trained, writeRows } from '../../support/events.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);

/** pretrain, 40 prompts answered three times each, a reward model from the ranking. */
function journey({ ranked = true, own = 'length' } = {}) {
  const folder = place();
  const { method: _, ...outside } = tinyRecipe(folder, { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null });
  const [prompts, functions] = [join(folder, 'prompts.jsonl'), join(folder, 'functions.mjs')];
  writeFileSync(prompts, Array.from({ length: 40 }, (_, n) => `${JSON.stringify({ prompt: `light ${n} ` })}\n`).join(''));
  writeFileSync(
    functions,
    'export const length = (rows) => rows.map(({ completion }) => completion.length);\nexport const same = (rows) => rows.map(() => 1);\n',
  );
  const rewards = ranked ? { rewards: [{ function: `${functions}#${own}` }] } : {};
  const stages = [
    { method: 'pretrain', train: { steps: 2 } },
    { method: { name: 'sample', samplesPerPrompt: 3, maxNewTokens: 5, ...rewards }, data: prompts },
    { method: 'reward', data: [{ stage: 'sample' }], train: { steps: 2, rowsPerStep: 4 } },
  ];
  return { ...outside, stages } as unknown as StagedInput & { out: string };
}

interface Row {
  prompt: string;
  answers: { text: string; rank: number | null; reward?: number }[];
}
const rowsOf = (out: string): Row[] =>
  readFileSync(join(out, '2-sample/answers.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

it('writes ranked answers, and the next stage learns from them', async () => {
  const recipe = journey();
  const events = await trained(recipe);
  const rows = rowsOf(recipe.out);
  for (const { prompt, answers } of rows) {
    expect(prompt).toMatch(/^light \d+ $/);
    const texts = answers.map(({ text }) => text);
    expect(new Set(texts).size).toBe(texts.length);
    for (const [n, { text, rank, reward }] of answers.entries()) {
      expect(reward).toBe(text.length);
      expect(rank).toBe(1 + new Set(answers.slice(0, n).flatMap((one) => (one.reward === reward ? [] : [one.reward]))).size);
    }
  }
  const report = JSON.parse(readFileSync(join(recipe.out, '2-sample/report.json'), 'utf8'));
  const { prompts, rows: kept, answers, dropped, ranked } = report;
  expect({ prompts, kept, ranked }).toEqual({ prompts: 40, kept: rows.length, ranked: true });
  expect(answers + (dropped['equal answers'] ?? 0)).toBeLessThanOrEqual(120);
  expect(kept + (dropped['one answer'] ?? 0) + (dropped['all alike'] ?? 0)).toBe(40);
  expect(events.filter(({ event }) => event === 'sampled')).toMatchObject([
    { prompts: 16, of: 40, stage: 2 },
    { prompts: 32 },
    { prompts: 40 },
  ]);
  expect(stepsOf(events).filter(({ stage }) => stage === 3)).toHaveLength(2);
  expect(events.at(-1)).toMatchObject({ event: 'done', output: join(recipe.out, 'adapter') });
  const again = readRecipe(join(recipe.out, 'recipe.yaml')).stages;
  expect(again?.map(({ start }) => start)).toEqual([{}, { adapter: 0 }, { adapter: 0, answers: { stage: 1, sources: [0] } }]);
}, 30_000);

it('goes on where the sampling was cut, to the same bytes', async () => {
  const [whole, cut] = [journey(), journey()];
  await trained(whole);
  await stoppedWhen(cut, (event) => event.event === 'sampled' && event.prompts === 16);
  const parts = join(cut.out, '2-sample/parts.jsonl');
  writeFileSync(parts, `${readFileSync(parts, 'utf8')}{"rows":[{"prom`);
  const events = await trained(cut, { resume: true });
  expect(events.filter(({ event }) => event === 'sampled')).toMatchObject([{ prompts: 32 }, { prompts: 40 }]);
  const bytes = (out: string, path: string) => readFileSync(join(out, path));
  expect(bytes(cut.out, '2-sample/answers.jsonl')).toEqual(bytes(whole.out, '2-sample/answers.jsonl'));
  expect(bytes(cut.out, 'adapter/adapter_model.safetensors')).toEqual(bytes(whole.out, 'adapter/adapter_model.safetensors'));
  expect(readdirSync(join(cut.out, '2-sample'))).not.toContain('parts.jsonl');
}, 30_000);

it('waits for people where nothing ranks the answers', async () => {
  const recipe = journey({ ranked: false });
  const events = await trained(recipe);
  const file = join(recipe.out, '2-sample/answers.jsonl');
  expect(events.slice(-2)).toMatchObject([
    { event: 'warning', code: 'ranks_open', message: expect.stringContaining(file) },
    { event: 'done', output: file },
  ]);
  expect(existsSync(join(recipe.out, '3-reward'))).toBe(false);
  await expect(trained(recipe, { resume: true })).rejects.toMatchObject({ kind: 'data', file, line: 1 });
  const rows = rowsOf(recipe.out).map(({ prompt, answers }) => ({
    prompt,
    answers: answers.map(({ text }, n) => ({ text, rank: n + 1 })),
  }));
  writeRows(file, rows);
  expect(stepsOf(await trained(recipe, { resume: true }))).toHaveLength(2);
}, 30_000);

it('tells of prompts whose answers are all alike, and fails where nothing is left', async () => {
  const recipe = journey({ own: 'same' });
  await expect(trained(recipe)).rejects.toMatchObject({ kind: 'data' });
  const { rows, dropped } = JSON.parse(readFileSync(join(recipe.out, '2-sample/report.json'), 'utf8'));
  expect(rows).toBe(0);
  expect(dropped['all alike']).toBeGreaterThan(0);
}, 30_000);

describe('a number of prompts', () => {
  const answered = async (prompts: number, train: object = {}, out = place()) => {
    const recipe = journey();
    const { stages, ...outside } = recipe as unknown as { stages: { method: object }[] };
    const [, { method, ...rest }] = stages as [object, { method: object }];
    const alone = {
      ...outside,
      ...rest,
      method: { ...method, prompts },
      train: { ...recipe.train, ...train },
      out,
    } as unknown as typeof recipe;
    const events = await trained(alone);
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'));
    const rows = readFileSync(join(out, 'answers.jsonl'), 'utf8').trimEnd().split('\n');
    return { alone, events, report, numbers: rows.map((row) => Number(JSON.parse(row).prompt.split(' ')[1])) };
  };

  it('is drawn with the seed and answered in file order, and counted; its recipe says so', async () => {
    const { alone, events, report, numbers } = await answered(20);
    expect(events.filter(({ event }) => event === 'sampled')).toMatchObject([{ prompts: 16, of: 20 }, { prompts: 20 }]);
    expect(report.prompts).toBe(20);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(Math.max(...numbers)).toBeGreaterThan(20);
    expect((await answered(20)).numbers).toEqual(numbers);
    expect((await answered(20, { seed: 2 })).numbers).not.toEqual(numbers);
    expect(readRecipe(join(alone.out, 'recipe.yaml')).recipe.method).toMatchObject({ prompts: 20 });
    const other = { ...alone, method: { ...(alone as unknown as { method: object }).method, prompts: 21 } } as typeof alone;
    await expect(trained(other, { resume: true })).rejects.toMatchObject({
      code: 'recipe_changed',
      message: expect.stringContaining('method.prompts'),
    });
  }, 30_000);

  it('is the first of the data without shuffling', async () => {
    const { numbers, report } = await answered(3, { shuffle: false });
    expect(report.prompts).toBe(3);
    expect(Math.max(...numbers)).toBeLessThan(3);
  });

  it('beyond those that are there is told, and all are answered', async () => {
    const { events, report } = await answered(41);
    expect(report.prompts).toBe(40);
    const message = 'method.prompts is 41, and the data has 40 prompts: all of them are answered';
    expect(events.filter(({ event }) => event === 'warning')).toMatchObject([{ code: 'fewer_prompts', message }]);
  }, 30_000);

  it('is a whole number of at least 1, for a stage that samples', () => {
    const of = (method: object) => () => parseRecipe({ model: 'x', data: 'y.jsonl', method } as Parameters<typeof parseRecipe>[0]);
    expect(of({ name: 'sample', prompts: 0 })).toThrow('method.prompts must be a whole number of at least 1');
    expect(of({ name: 'sample', prompts: 1.5 })).toThrow('method.prompts must be a whole number of at least 1');
    expect(of({ name: 'sample', promts: 5 })).toThrow('did you mean prompts?');
    expect(of({ name: 'sft', prompts: 5 })).toThrow('prompts');
  });
});

it('refuses what cannot be', async () => {
  const stages = (list: object[]) => () => parseRecipe({ model: 'x', data: 'y.jsonl', stages: list });
  const sample = { method: { name: 'sample' } };
  expect(stages([{ method: 'reward', data: [{ stage: 'sample' }] }])).toThrow('needs an earlier stage with method: sample');
  expect(stages([sample, { method: 'reward', data: [{ stage: 'answers' }] }])).toThrow('must be sample');
  expect(stages([{ method: { name: 'sample', samplesPerPrompt: 1 } }])).toThrow('method.samplesPerPrompt');
  await expect(previewRecipe(journey(), { rows: 1, stage: 3 })).rejects.toMatchObject({
    message: expect.stringContaining('stage 2 samples'),
  });
  const { stages: list, ...outside } = journey() as unknown as { stages: object[]; out: string };
  const elsewhere = { ...outside, ...list[1], compute: { device: 'cuda:0' } } as unknown as Parameters<typeof trained>[0];
  await expect(trained(elsewhere)).rejects.toMatchObject({ code: 'device_unavailable' });
  expect((await previewRecipe(journey(), { rows: 1, stage: 2 })).dataset.mappings[0]?.kind).toBe('prompts');
});
