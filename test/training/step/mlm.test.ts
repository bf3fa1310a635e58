// Masked language modelling from a recipe, on a tiny encoder.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newAdapter } from '../../../lib/checkpoint/adapter_new.js';
import { readAdapter } from '../../../lib/checkpoint/adapter_read.js';
import { writeAdapter } from '../../../lib/checkpoint/adapter_write.js';
import { openModelFolder } from '../../../lib/checkpoint/model_folder.js';
import { previewRows, renderPreview } from '../../../lib/data/sequences/preview.js';
import { loadModel } from '../../../lib/evaluation/model.js';
import { openTokenizer } from '../../../lib/tokenizer/index.js';
import { readInput } from '../../../lib/training/run/prepare.js';
import { previewRecipe } from '../../../lib/training/run/preview.js';
import { loadRows } from '../../../lib/training/run/rows.js';
import { expectRatio, ROUNDINGS, shareBound } from '../../support/bounds.js';
import { ADAPTER, evaluationsOf, stepsOf, tinyRecipe, trained } from '../../support/events.js';
import { expectSameBytes, expectSameLosses } from '../../support/same_run.js';
import { encoderRecipe } from '../../support/tiny_encoder.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const LONG = { train: { steps: 40, learningRate: 1e-2, rowsPerStep: 8, checkpointEvery: 20, maxLength: 64 } };

describe.each([
  ['all weights', {}, 'model/model.safetensors'],
  ['an adapter with dropout', { adapter: ADAPTER }, 'adapter/adapter_model.safetensors'],
])('mlm of %s', (_what, change, weights) => {
  it('learns: the perplexity of hidden words falls', async () => {
    const events = await trained(encoderRecipe(place(), { ...LONG, ...change, evaluate: { fraction: 0.2, every: 20 } }));
    const found = evaluationsOf(events).map(({ perplexity }) => perplexity as number);
    expect(found).toHaveLength(3);
    expect(found[2]).toBeLessThan(0.7 * (found[0] as number));
  });

  it('resumes in the bytes of a run that was never stopped', () => expectSameBytes(encoderRecipe(place(), change), place(), weights));

  it('loses the same however a step is cut', () => expectSameLosses((train) => encoderRecipe(place(), { ...change, train })));
});

describe('an adapter on the head too', () => {
  const onHead = async (train: object = {}) => {
    const recipe = encoderRecipe(place(), { train: { rowsPerStep: 3, steps: 3, ...train } });
    const { config } = await openModelFolder(recipe.model);
    const targets = ['query', 'transform.dense'];
    const from = place();
    await writeAdapter(from, newAdapter({ rank: 3, alpha: 6, targets, dropout: 0, rsLora: false, seed: 2 }, config), recipe.model);
    return { ...recipe, adapter: { from, dropout: 0.2 } };
  };

  it('is gone on with, all of it trained and written again', async () => {
    const recipe = await onHead();
    const { output } = (await trained(recipe)).at(-1) as { output: string };
    const { config } = await openModelFolder(recipe.model);
    const [before, after] = [await readAdapter(recipe.adapter.from, config), await readAdapter(output, config)];
    expect(after.targets.map(({ name }) => name)).toEqual(before.targets.map(({ name }) => name));
    expect(after.selection.targetModules).toEqual(['query', 'transform.dense']);
    for (const [n, { b }] of after.targets.entries()) expect(b, after.targets[n]?.name).not.toEqual(before.targets[n]?.b);
  });

  it('drops the same inputs however a step is cut', async () => {
    const recipe = await onHead();
    const losses = async (microBatchTokens: number) =>
      stepsOf(await trained({ ...recipe, out: place(), train: { ...recipe.train, microBatchTokens } })).map(({ loss }) => loss);
    const [whole, apart] = [await losses(4096), await losses(1)];
    for (const [n, loss] of whole.entries()) expectRatio(apart[n]!, loss, ROUNDINGS, `loss of step ${n + 1}`);
  });
});

describe('hidden words', () => {
  it('are others on every pass over a row, as many as maskShare says', async () => {
    const recipe = encoderRecipe(place(), {
      method: { name: 'mlm', maskShare: 0.5 },
      train: { rowsPerStep: 24, steps: 3, learningRate: 1e-9 },
    });
    const steps = stepsOf(await trained(recipe));
    expect(new Set(steps.map(({ loss }) => loss)).size).toBe(3);
    for (const { trainedTokens, tokens } of steps)
      expect(Math.abs(trainedTokens / (tokens - 48) - 0.5)).toBeLessThan(shareBound(0.5, tokens - 48));
  });

  it('are shown by preview, special tokens never among them', async () => {
    const { dataset, tokenizer } = await previewRecipe(encoderRecipe(place(), { method: { name: 'mlm', maskShare: 0.4 } }), { rows: 3 });
    const { rows } = previewRows(dataset, tokenizer, 24);
    for (const { ids, trained: marks, targets } of rows) {
      expect([ids[0], ids.at(-1), marks[0], marks.at(-1)]).toEqual([2, 3, 0, 0]);
      expect(marks).toEqual(targets?.map((id) => Number(id >= 0)));
      expect(marks).toContain(1);
    }
    expect(rows.flatMap(({ ids }) => ids)).toContain(tokenizer.mask);
    expect(renderPreview(dataset, tokenizer, 2, false)).toMatch(/⟦\[MASK\] ← \w+⟧/);
  });
});

describe('texts that are too long', () => {
  const recorded = JSON.parse(readFileSync(new URL('../../reference/overflow.json', import.meta.url), 'utf8'));
  const cutting = (train: object) => {
    const recipe = encoderRecipe(place(), { train });
    writeFileSync(recipe.data, recorded.texts.map((text: string) => `${JSON.stringify({ text })}\n`).join(''));
    return recipe;
  };
  const rowsOf = async (recipe: ReturnType<typeof cutting>) => {
    const { recipe: whole } = readInput(recipe);
    const rows = await loadRows(whole as Parameters<typeof loadRows>[0], await openTokenizer(recipe.model), {});
    return recorded.texts.map((_: string, n: number) => rows.sequences.filter(({ line }) => line === n + 1).map(({ ids }) => [...ids]));
  };

  it.each([3, 5, 8, 64])('are cut at %s tokens as transformers cuts them, each piece between [CLS] and [SEP]', async (maxLength) => {
    const { split, truncate } = recorded.cases.find((one: { maxLength: number }) => one.maxLength === maxLength);
    expect(await rowsOf(cutting({ maxLength, overlong: 'split' }))).toEqual(split);
    expect(await rowsOf(cutting({ maxLength, overlong: 'truncate' }))).toEqual(truncate.map((ids: number[]) => [ids]));
  });

  it('are left out where there is room for the two tokens alone, and end a run that has no others', async () => {
    const refused = { code: 'nothing_trained', message: expect.stringContaining('overlong 9); raise train.maxLength') };
    await expect(trained(cutting({ maxLength: 2 }))).rejects.toMatchObject(refused);
  });

  it('are measured up to the longest length, [SEP] behind it', async () => {
    const recipe = cutting({});
    const model = await loadModel(recipe.model, { dtype: 'f32', threads: 1 });
    const forward = model.native.forward.bind(model.native);
    const seen: number[] = [];
    const noting: typeof forward = (batch, how) => {
      seen.push(...Array.from(batch.sequenceStarts.subarray(1), (end) => batch.tokens[end - 1] as number));
      return forward(batch, how);
    };
    Object.defineProperty(model.native, 'forward', { value: noting, configurable: true, writable: true });
    await model.evaluate({ data: recipe.data, maxLength: 5 });
    expect(seen).toEqual(recorded.texts.map(() => 3));
    model.dispose();
  });
});

describe('a trained encoder', () => {
  it('is written whole and measured the same every time', async () => {
    const recipe = encoderRecipe(place());
    await trained(recipe);
    const folder = join(recipe.out, 'model');
    expect((await openModelFolder(folder)).config).toMatchObject({ causal: false, types: 2, activation: 'gelu' });
    const model = await loadModel(folder, { dtype: 'f32', threads: 1 });
    const [one, two] = [await model.evaluate({ data: recipe.data }), await model.evaluate({ data: recipe.data })];
    expect(one).toEqual(two);
    expect(one).toMatchObject({ rows: 24, maskShare: 0.15 });
    await expect(model.evaluate({ data: recipe.data, trainedOnly: true })).rejects.toMatchObject({ code: 'wrong_network' });
    await expect(model.generate('cells').next()).rejects.toMatchObject({ code: 'wrong_network' });
    model.dispose();
  });
});

describe('refusals', () => {
  it('tells where nothing can be hidden, in training and evaluation', async () => {
    const recipe = encoderRecipe(place());
    writeFileSync(recipe.data, `${JSON.stringify({ text: 'zebra quagga' })}\n`);
    await expect(trained(recipe)).rejects.toMatchObject({ code: 'nothing_trained', file: recipe.data });
    const model = await loadModel(recipe.model, { dtype: 'f32', threads: 1 });
    await expect(model.evaluate({ data: recipe.data })).rejects.toMatchObject({ code: 'nothing_to_evaluate', file: recipe.data });
    model.dispose();
  });

  it('tells where the tokenizer has no mask token', async () => {
    const recipe = encoderRecipe(place(), {}, 'no mask');
    await expect(trained(recipe)).rejects.toMatchObject({ code: 'missing_mask', file: recipe.model });
  });

  it('tells which networks a method is for', async () => {
    await expect(trained(tinyRecipe(place(), { method: 'mlm' }))).rejects.toMatchObject({
      code: 'wrong_network',
      message: expect.stringContaining('mlm needs an encoder'),
    });
    for (const method of ['pretrain', 'sft'])
      await expect(trained(encoderRecipe(place(), { method }))).rejects.toMatchObject({
        code: 'wrong_network',
        message: expect.stringContaining(`method ${method}`),
      });
  });
});
