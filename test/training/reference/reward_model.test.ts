// Reward models from recipes: what is saved, opened again, scored and refused.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newHead } from '../../../lib/checkpoint/adapter_new.js';
import { readAdapter } from '../../../lib/checkpoint/adapter_read.js';
import { openModelFolder } from '../../../lib/checkpoint/model_folder.js';
import type { Tokens } from '../../../lib/data/index.js';
import { evaluate, scoreReward } from '../../../lib/evaluation/index.js';
import { merge } from '../../../lib/evaluation/merge.js';
import { networkConfig } from '../../../lib/network/config.js';
import { spread } from '../../../lib/training/run/output.js';
import { expectRatio, ROUNDINGS } from '../../support/bounds.js';
import { ADAPTER, lossesOf, stepsOf, stoppedAt, trained, writeRows } from '../../support/events.js';
import { preferenceRecipe, tinyPairs } from '../../support/preferences.js';
import { placesIn, scratchFolder, TINY_CONFIG } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const PAIRS = tinyPairs(12);
const json = (...parts: string[]) => JSON.parse(readFileSync(join(...parts), 'utf8'));
const QUICK = { learningRate: 5e-3, schedule: 'constant', warmup: 0, rowsPerStep: 4, steps: 4 };

/** Both answers of every pair as rows to score. */
function answers(folder: string): string {
  const file = join(folder, 'answers.jsonl');
  const rows = PAIRS.flatMap(({ prompt, chosen, rejected }) => [chosen, rejected].map((completion) => ({ prompt, completion })));
  return writeRows(file, rows);
}

const moments = (scores: number[]) => {
  const mean = scores.reduce((sum, one) => sum + one, 0) / scores.length;
  return { mean, std: Math.sqrt(scores.reduce((sum, one) => sum + (one - mean) ** 2, 0) / scores.length) };
};

describe.each([
  ['an adapter', { adapter: ADAPTER }, {}],
  ['all weights', {}, {}],
  ['all weights with a head of their own for words', {}, { model: { tie_word_embeddings: false } }],
])('a reward model of %s', (_what, change, more) => {
  const run = async (steps = 4, extra = {}) => {
    const folder = place();
    const recipe = preferenceRecipe(folder, { name: 'reward' }, PAIRS, { ...change, train: { ...QUICK, ...extra, steps } }, more);
    return { recipe, folder, events: await trained(recipe) };
  };

  it('scores as it did in training, with the constants of its training answers', async () => {
    const { recipe, folder, events } = await run();
    const { output } = events.at(-1) as { output: string };
    const model = 'adapter' in change ? { model: recipe.model, adapter: output } : { model: output };
    const { scores } = await scoreReward({ ...model, data: answers(folder) });
    expect(scores).toHaveLength(2 * PAIRS.length);
    const { mean, std } = moments(scores);
    const told = json(output, 'reward.json') as { mean: number; std: number };
    expect(Object.keys(told)).toEqual(['mean', 'std']);
    // Scores of either sign, of about their deviation.
    for (const [name, value] of Object.entries({ mean, std }))
      expect(Math.abs(told[name as 'mean'] - value), name).toBeLessThan(ROUNDINGS * std);
  });

  it('goes on from where it was: its head is brought along', async () => {
    const { recipe, events } = await run();
    const { output } = events.at(-1) as { output: string };
    const from = 'adapter' in change ? { ...recipe, adapter: { from: output } } : { ...recipe, model: output };
    const next = { ...from, out: place(), train: { ...recipe.train, shuffle: false, steps: 1 } };
    const [step] = stepsOf(await trained(next as never));
    const { scores } = await scoreReward({
      model: next.model,
      ...('adapter' in change && { adapter: output }),
      data: answers(join(recipe.out, '..')),
    });
    const chosen = [0, 2, 4, 6].reduce((sum, at) => sum + (scores[at] as number), 0) / 4;
    expectRatio(step!.rewardChosen as number, chosen, ROUNDINGS, 'rewardChosen');
  });

  it('is resumed to the same bytes', async () => {
    const { recipe, events } = await run(4, { checkpointEvery: 1 });
    const short = { ...recipe, out: place(), train: { ...recipe.train, steps: 4 } };
    await stoppedAt(short, 2);
    const rest = await trained(short, { resume: true });
    expect(lossesOf(rest)).toEqual(lossesOf(events).slice(2));
    for (const file of ['adapter' in change ? 'adapter_model.safetensors' : 'model.safetensors', 'reward.json'])
      expect(readFileSync(join((rest.at(-1) as { output: string }).output, file)), file).toEqual(
        readFileSync(join((events.at(-1) as { output: string }).output, file)),
      );
  });
});

it('says in PEFT’s and in transformers’ words what it is', async () => {
  const recipe = preferenceRecipe(place(), { name: 'reward', normalize: false }, PAIRS, {
    adapter: ADAPTER,
    train: { ...QUICK, steps: 1 },
  });
  await trained(recipe);
  expect(json(recipe.out, 'adapter/adapter_config.json')).toMatchObject({ task_type: 'SEQ_CLS', modules_to_save: ['score'] });
  expect((await readAdapter(join(recipe.out, 'adapter'), networkConfig(TINY_CONFIG, ''))).head).toHaveLength(32);
  expect(json(recipe.out, 'adapter/reward.json')).toEqual({ mean: 0, std: 1 });
  const { adapter: _, ...whole } = { ...recipe, out: place() } as Record<string, unknown>;
  await trained(whole as never);
  const model = join(whole.out as string, 'model');
  expect(json(model, 'config.json')).toMatchObject({ architectures: ['LlamaForSequenceClassification'], num_labels: 1 });
  expect((await openModelFolder(model, { scores: true })).score?.shape).toEqual([1, 32]);
  await expect(openModelFolder(model)).rejects.toMatchObject({ code: 'reward_model' });
});

// transformers takes the score of the last token that is not config.pad_token_id: with the end token for it, of the token before.
describe.each([
  [257, 257],
  [258, [9, 258]],
])('on a base whose pad_token_id %d ends texts', (pad, eos) => {
  const config = { pad_token_id: pad, eos_token_id: eos };
  const run = async (change: object) => {
    const recipe = preferenceRecipe(place(), { name: 'reward' }, PAIRS, { train: { ...QUICK, steps: 1 }, ...change }, { model: config });
    const events = await trained(recipe);
    return { recipe, warning: events.find((one) => one.event === 'warning' && one.code === 'pad_is_end') as { message: string } };
  };

  it('a whole reward model pads with nothing', async () => {
    const { recipe, warning } = await run({});
    expect(json(recipe.out, 'model/config.json')).toMatchObject({ pad_token_id: null, eos_token_id: eos });
    expect(warning.message).toContain('null');
  });

  it('an adapter says which setting it needs elsewhere', async () => {
    expect((await run({ adapter: ADAPTER })).warning.message).toMatch(new RegExp(`pad_token_id ${pad}.*PEFT.*null`));
  });
});

it('keeps a pad_token_id that ends no text', async () => {
  const change = { train: { ...QUICK, steps: 1 } };
  const recipe = preferenceRecipe(place(), { name: 'reward' }, PAIRS, change, { model: { pad_token_id: 5 } });
  const events = await trained(recipe);
  expect(json(recipe.out, 'model/config.json').pad_token_id).toBe(5);
  expect(events.filter((one) => one.event === 'warning' && one.code === 'pad_is_end')).toEqual([]);
});

describe('what is no reward model, or is one', () => {
  it('is refused where words are wanted, and where scores are', async () => {
    const recipe = preferenceRecipe(place(), { name: 'reward' }, PAIRS, { adapter: ADAPTER, train: { ...QUICK, steps: 1 } });
    await trained(recipe);
    const [model, adapter] = [recipe.model, join(recipe.out, 'adapter')];
    const data = answers(join(recipe.out, '..'));
    await expect(evaluate({ model, adapter, data })).rejects.toMatchObject({ kind: 'data', code: 'reward_model' });
    await expect(merge({ model, adapter, out: place() })).rejects.toMatchObject({ kind: 'data', code: 'reward_model' });
    await expect(scoreReward({ model, data })).rejects.toMatchObject({ kind: 'data', code: 'no_score_head' });
    const long = join(scratch, 'long.jsonl');
    writeFileSync(long, `${JSON.stringify({ text: 'far '.repeat(100) })}\n`);
    const short = await scoreReward({ model, adapter, data: [data, data] });
    expect(short.scores.slice(24)).toEqual(short.scores.slice(0, 24));
    await expect(scoreReward({ model, adapter, data: long })).rejects.toMatchObject({ kind: 'data' });
  });
});

it('starts with a small head that depends on its seed', () => {
  const head = newHead(4000, 7);
  expect(head).toEqual(newHead(4000, 7));
  expect(head).not.toEqual(newHead(4000, 8));
  const { mean, std } = moments([...head]);
  // Four deviations of the mean and of the deviation of 4,000 normal numbers.
  expect(Math.abs(mean)).toBeLessThan((4 * 0.02) / Math.sqrt(4000));
  expect(Math.abs(std - 0.02)).toBeLessThan((4 * 0.02) / Math.sqrt(8000));
});

describe('the answers that scores are normalised by', () => {
  const pairs = (count: number) =>
    Array.from({ length: count }, (_, n) => n).flatMap((n) => {
      const unit = { number: n } as never as NonNullable<Tokens['unit']>;
      return [0, 1].map((member) => ({ unit, member, n }));
    });
  it('are all of few, and of many about as many as asked for, in whole pairs over the whole length', () => {
    expect(spread(pairs(5), 10)).toHaveLength(10);
    expect(spread([], 10)).toEqual([]);
    for (const count of [50, 51, 73, 400]) {
      const some = spread(pairs(count), 20);
      expect(Math.abs(some.length - 20)).toBeLessThanOrEqual(2);
      expect(some.filter(({ member }) => member === 0)).toHaveLength(some.length / 2);
      expect((some.at(-1) as { n: number }).n).toBeGreaterThan(0.85 * count);
    }
  });
});
