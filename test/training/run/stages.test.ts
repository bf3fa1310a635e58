// Recipes with stages: folders, what goes on from what, and a run that was cut.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseRecipe, readRecipe, type StagedInput } from '../../../lib/recipe/index.js';
import { previewRecipe } from '../../../lib/training/run/preview.js';
import { ADAPTER, stepsOf, stoppedWhen, tinyRecipe, trained, writeRows } from '../../support/events.js';
import { tinyPairs } from '../../support/preferences.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);

/** pretrain, reward, ppo judged by it. */
function journey() {
  const folder = place();
  const { method: _, ...outside } = tinyRecipe(folder, { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null });
  const pairs = writeRows(join(folder, 'pairs.jsonl'), tinyPairs(12));
  const asked = tinyPairs(6).map(({ prompt }) => ({ prompt }));
  const prompts = writeRows(join(folder, 'prompts.jsonl'), asked);
  const train = { steps: 4, rowsPerStep: 4, checkpointEvery: 2, learningRate: 1e-3 };
  const stages = [
    { method: 'pretrain' },
    { method: 'reward', data: pairs },
    { method: { name: 'ppo', maxNewTokens: 6, epochs: 1 }, data: prompts, train: { steps: 2, rowsPerStep: 3 } },
  ];
  return { ...outside, train, stages } as unknown as StagedInput & { out: string };
}
const weights = (out: string, ...parts: string[]) => readFileSync(join(out, ...parts, 'adapter/adapter_model.safetensors'));

it('runs each stage in its folder, and the last one’s adapter is the run’s', async () => {
  const recipe = journey();
  const events = await trained(recipe);
  expect(events.filter(({ event }) => event === 'stage')).toMatchObject([{ stage: 1 }, { stage: 2 }, { stage: 3 }]);
  expect(stepsOf(events).map(({ stage, step }) => [stage, step])).toEqual(
    [1, 1, 1, 1, 2, 2, 2, 2, 3, 3].map((stage, n) => [stage, n < 8 ? (n % 4) + 1 : n - 7]),
  );
  for (const folder of ['1-pretrain', '2-reward', '3-ppo']) expect(readdirSync(join(recipe.out, folder))).toContain('metrics.jsonl');
  expect(existsSync(join(recipe.out, '2-reward/adapter/reward.json'))).toBe(true);
  expect(weights(recipe.out)).toEqual(weights(recipe.out, '3-ppo'));
  expect(events.at(-1)).toMatchObject({ event: 'done', output: join(recipe.out, 'adapter') });
}, 30_000);

it('goes on in the stage that was cut, leaves whole ones as they are, and ends in the same bytes', async () => {
  const [whole, cut] = [journey(), journey()];
  await trained(whole);
  await stoppedWhen(cut, (event) => event.event === 'step' && event.stage === 2 && event.step === 3);
  const before = statSync(join(cut.out, '1-pretrain/adapter/adapter_model.safetensors')).mtimeMs;
  const events = await trained(cut, { resume: true });
  expect(stepsOf(events)[0]).toMatchObject({ stage: 2, step: 4 });
  expect(statSync(join(cut.out, '1-pretrain/adapter/adapter_model.safetensors')).mtimeMs).toBe(before);
  expect(weights(cut.out)).toEqual(weights(whole.out));
}, 60_000);

it('goes on where its folder was moved, whole stages and the cut one', async () => {
  const [whole, cut] = [journey(), journey()];
  await trained(whole);
  await stoppedWhen(cut, (event) => event.event === 'step' && event.stage === 3);
  const elsewhere = place();
  renameSync(cut.out, elsewhere);
  const events = await trained(cut, { out: elsewhere, resume: true });
  expect(stepsOf(events).map(({ stage, step }) => [stage, step])).toEqual([[3, 2]]);
  expect(weights(elsewhere)).toEqual(weights(whole.out));
}, 60_000);

it('names the place of what is wrong in a stage, before anything is trained', async () => {
  const file = join(scratch, 'bad.yaml');
  writeFileSync(file, 'model: x\ndata: x.jsonl\nstages:\n  - method: sft\n  - method: dpo\n    train: { stepz: 3 }\n');
  expect(() => readRecipe(file)).toThrow(/bad\.yaml:6:\d+: .*stepz/);
  writeFileSync(file, 'model: x\ndata: x.jsonl\nmethod: sft\nstages: [{ method: sft }]\n');
  expect(() => readRecipe(file)).toThrow('method stands in every stage');
  const late = journey();
  const stages = (late as unknown as { stages: object[] }).stages;
  stages[2] = { method: { name: 'ppo', maxNewTokens: 6 }, data: join(scratch, 'nowhere.jsonl') };
  await expect(trained(late)).rejects.toMatchObject({ kind: 'data' });
  expect(existsSync(late.out)).toBe(false);
});

it('writes the whole recipe down, which reads back as the same stages', async () => {
  const recipe = journey();
  await trained(recipe);
  const again = readRecipe(join(recipe.out, 'recipe.yaml'));
  expect(again.stages?.map(({ recipe: { method }, start }) => [method.name, start])).toEqual([
    ['pretrain', {}],
    ['reward', { adapter: 0 }],
    ['ppo', { adapter: 0, reward: 1 }],
  ]);
  const other = place();
  await trained(again, { out: other });
  expect(weights(other)).toEqual(weights(recipe.out));
}, 60_000);

it('is not resumed where a whole stage would have been another one, and begins a cut one without checkpoint anew', async () => {
  const recipe = journey();
  await trained(recipe);
  const before = weights(recipe.out);
  const { stages } = recipe as unknown as { stages: Record<string, unknown>[] };
  const changed = { ...recipe, stages: [{ ...stages[0], train: { steps: 3 } }, ...stages.slice(1)] } as typeof recipe;
  await expect(trained(changed, { resume: true })).rejects.toMatchObject({
    code: 'recipe_changed',
    message: expect.stringContaining('train.steps: was 4, now 3'),
  });
  rmSync(join(recipe.out, 'adapter'), { recursive: true });
  rmSync(join(recipe.out, '3-ppo'), { recursive: true });
  mkdirSync(join(recipe.out, '3-ppo'));
  const events = await trained(recipe, { resume: true });
  expect(stepsOf(events).map(({ stage, step }) => [stage, step])).toEqual([
    [3, 1],
    [3, 2],
  ]);
  expect(weights(recipe.out)).toEqual(before);
  await expect(trained({ ...recipe, out: place() }, { resume: true })).rejects.toMatchObject({ code: 'nothing_to_resume' });
}, 60_000);

it('goes on from a model where all weights were trained, and puts a new adapter on it', async () => {
  const { adapter: _, stages: __, ...outside } = journey() as unknown as Record<string, unknown> & { out: string };
  const stages = [{ method: 'pretrain' }, { method: 'pretrain', adapter: ADAPTER }, { method: 'pretrain', adapter: { dropout: 0 } }];
  const recipe = { ...outside, stages } as unknown as Parameters<typeof trained>[0];
  await trained(recipe);
  const written = (folder: string) => readRecipe(join(outside.out, folder, 'recipe.yaml')).recipe;
  expect(written('2-pretrain').model).toBe(join(outside.out, '1-pretrain/model'));
  expect(written('3-pretrain')).toMatchObject({
    model: join(outside.out, '1-pretrain/model'),
    adapter: { from: join(outside.out, '2-pretrain/adapter') },
  });
}, 60_000);

it.each([
  [
    [
      { method: 'sft', adapter: { rank: 4 } },
      { method: 'sft', adapter: { rank: 8 } },
    ],
    'adapter.rank is brought by the adapter of stage 1',
  ],
  [
    [
      { method: 'sft', adapter: {} },
      { method: 'sft', adapter: null },
    ],
    'stage 2: this stage trains all weights',
  ],
  [[{ method: 'sft', out: 'x' }], 'out stands outside the stages'],
  [[{ method: 'ppo' }], 'method.rewards'],
  [[{ data: 'x' }], 'stage 1: method is missing'],
  [[], 'at least one stage'],
  [['sft'], 'stages.0 must be a group'],
])('refuses stages that cannot follow each other: %j', (stages, words) => {
  expect(() => parseRecipe({ model: 'x', data: 'y.jsonl', stages })).toThrow(words);
});

it('previews the stage that is asked for', async () => {
  const recipe = journey();
  const shown = async (stage?: number) => (await previewRecipe(recipe, { rows: 1, stage })).dataset.mappings[0]?.kind;
  expect([await shown(), await shown(2), await shown(3)]).toEqual(['rows', 'pairs', 'prompts']);
  await expect(shown(4)).rejects.toMatchObject({
    kind: 'request',
    message: expect.stringContaining('no stage 4: the recipe has 3 stages'),
  });
});

it('begins anew where a kill before the first step left its folder with nothing in it', async () => {
  const recipe = journey();
  mkdirSync(join(recipe.out, '.1-pretrain.partial-1-ab'), { recursive: true });
  const events = await trained(recipe, { resume: true });
  expect(events[0]).toMatchObject({ event: 'warning', code: 'begun_anew' });
  expect(stepsOf(events)).toHaveLength(10);
  expect(readdirSync(recipe.out).filter((name) => name.startsWith('.') || name === 'run.lock')).toEqual([]);
}, 30_000);
