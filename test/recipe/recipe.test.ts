import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRecipe, readRecipe, recipeDifferences, resolvedRecipe, withMaxLength } from '../../lib/recipe/index.js';
import { failure, file, LEAST, room } from './room.js';

describe('defaults', () => {
  it('fills in everything that may be left out', () => {
    const { recipe } = readRecipe(file(LEAST));
    expect(recipe).toMatchObject({
      model: join(room, 'm'),
      compute: { device: 'auto', dtype: 'bf16', threads: 'auto' },
      adapter: null,
      method: { name: 'sft', labelSmoothing: 0, zLoss: 0 },
      data: [{ path: join(room, 'x.jsonl'), weight: 1 }],
      template: 'auto',
      checks: { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error', equalAnswers: 'error', refusedChat: 'fail' },
      train: {
        tokensPerStep: 4096,
        epochs: 1,
        learningRate: 2e-5,
        schedule: 'cosine',
        clip: 1,
        seed: 1,
        maxLength: 'auto',
        overlong: 'split',
      },
      evaluate: null,
    });
  });

  it('takes figures that depend on other keys from them', () => {
    const read = (more: string) => readRecipe(file(LEAST + more)).recipe;
    expect(read('adapter: {}').adapter).toEqual({ rank: 16, alpha: 32, targets: 'all-linear', dropout: 0, rsLora: false, seed: 1 });
    expect(read('adapter: {rank: 4}\ntrain: {seed: 9}').adapter).toMatchObject({ rank: 4, alpha: 8, seed: 9 });
    expect(read('adapter: {}').train.learningRate).toBe(2e-4);
    expect(read('adapter: {from: a}').adapter).toEqual({ from: join(room, 'a'), dropout: 0, seed: 1 });
    expect(read('train: {rowsPerStep: 8}').train).not.toHaveProperty('tokensPerStep');
    expect(read('train: {steps: 8}').train).not.toHaveProperty('epochs');
  });

  it('takes a group without keys as one with all its defaults', () => {
    expect(readRecipe(file(`${LEAST}train:\ncompute:\nadapter:\n`)).recipe).toEqual(readRecipe(file(LEAST)).recipe);
  });

  it('reads the recipe of the contract whole, in YAML and as an object', () => {
    const text = `
model: models/smollm2
compute: { device: auto, dtype: bf16, threads: auto }
adapter: { rank: 16, alpha: 32, targets: all-linear, dropout: 0, rsLora: false }
method: sft
data: [{ path: data/*.jsonl, weight: 1 }]
template: dolly
train:
  tokensPerStep: 4096
  maxLength: 1024
  overlong: split
  steps: 100
  learningRate: 2e-4
  schedule: cosine
  warmup: 0.05
  weightDecay: 0
  clip: 1.0
  shuffle: true
  seed: 1
  checkpointEvery: 50
  microBatchTokens: auto
evaluate: { fraction: 0.05, every: 25 }
out: runs/dolly
`;
    const { recipe } = readRecipe(file(text));
    expect(recipe.data).toEqual([{ path: join(room, 'data/*.jsonl'), weight: 1 }]);
    expect(recipe.out).toBe(join(room, 'runs/dolly'));
    expect(recipe.train.learningRate).toBe(2e-4);
    expect(recipe.model).toBe('models/smollm2'); // no such folder: a hub id
    mkdirSync(join(room, 'models/smollm2'), { recursive: true });
    expect(readRecipe(file(text)).recipe.model).toBe(join(room, 'models/smollm2'));
    expect(parseRecipe({ model: 'm', method: 'sft', data: ['x.jsonl'] }, { folder: room }).recipe).toEqual(readRecipe(file(LEAST)).recipe);
  });
});

describe('resolved recipe', () => {
  const arbitrary = fc.record(
    {
      adapter: fc.option(fc.record({ rank: fc.integer({ min: 1, max: 99 }), dropout: fc.constantFrom(0, 0.1) }, { requiredKeys: [] })),
      method: fc.constantFrom('sft', 'pretrain', { name: 'sft', zLoss: 1e-4 }),
      template: fc.constantFrom('chat', 'dolly', { prompt: 'Q: {a}\n', completion: ' {b}\n\n# "x": y' }),
      train: fc.record(
        {
          rowsPerStep: fc.integer({ min: 1, max: 9 }),
          steps: fc.integer({ min: 1, max: 9 }),
          learningRate: fc.constantFrom(1e-3, 3.3e-7),
          warmup: fc.constantFrom(0, 0.3, 4),
        },
        { requiredKeys: [] },
      ),
      evaluate: fc.option(fc.constantFrom({ fraction: 0.25 }, { data: ['e.jsonl'], every: 2 })),
      out: fc.constant('runs/a b'),
    },
    { requiredKeys: [] },
  );

  it('reads back as the same recipe from any folder', () => {
    fc.assert(
      fc.property(arbitrary, (some) => {
        const { recipe } = parseRecipe({ model: 'x', method: 'sft', data: ['d/*.jsonl'], ...some }, { folder: '/somewhere' });
        const path = file(resolvedRecipe(recipe));
        expect(readRecipe(path).recipe).toEqual(recipe);
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  it('takes steps set from outside in place of the recipe’s epochs, and refuses both from outside', () => {
    const recipe = { model: 'm', method: 'sft', data: 'x', train: { epochs: 3, rowsPerStep: 4 } };
    const { train } = parseRecipe(recipe, { set: ['train.steps=2', 'train.tokensPerStep=512'] }).recipe;
    expect(train).toMatchObject({ steps: 2, tokensPerStep: 512 });
    expect(train).not.toHaveProperty('epochs');
    expect(() => parseRecipe(recipe, { set: ['train.steps=2', 'train.epochs=1'] })).toThrow(/exclude each other/);
    const staged = { model: 'm', data: 'x', stages: [{ method: 'sft', train: { epochs: 3 } }] };
    expect(parseRecipe(staged, { set: ['stages.0.train.steps=2'] }).stages?.[0]?.recipe.train).toMatchObject({ steps: 2 });
  });

  it('names every key that differs, with both values', () => {
    const read = (set: string[]) => parseRecipe({ model: 'm', method: 'sft', data: ['x', 'y'], adapter: { rank: 4 } }, { set }).recipe;
    expect(recipeDifferences(read([]), read([]))).toEqual([]);
    const other = read(['train.learningRate=1e-3', 'adapter.targets=[q_proj]', 'data.1.path=z', 'out=o']);
    const found = recipeDifferences(read([]), other, ['out']);
    expect(found.map((one) => one.key)).toEqual(['adapter.targets', 'data.1.path', 'train.learningRate']);
    expect(found[2]).toEqual({ key: 'train.learningRate', before: 2e-4, after: 1e-3 });
    expect(recipeDifferences(read([]), read(['adapter=null', 'train.learningRate=2e-4'])).map((one) => one.key)).toContain('adapter.rank');
  });

  it('settles maxLength by the context, and refuses more', () => {
    const read = (maxLength: number | 'auto') => readRecipe(file(`${LEAST}train:\n  maxLength: ${maxLength}\n`));
    expect(withMaxLength(read('auto').recipe, 512).train.maxLength).toBe(512);
    expect(withMaxLength(read('auto').recipe, 8192).train.maxLength).toBe(1024);
    const { recipe, place } = read(4096);
    const error = failure(() => withMaxLength(recipe, 512, place('train.maxLength')));
    expect(error.message).toMatch(/\.yaml:5:14: train\.maxLength 4096 .* 512/);
  });
});
