// Every recipe in examples/: it is one, and its rows are what its method learns from. The slow test beside this one trains them.
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRecipe } from '../../lib/recipe/index.js';
import { previewRecipe } from '../../lib/training/run/preview.js';

const examples = resolve(import.meta.dirname, '../../examples');
const recipes = readdirSync(examples).filter((name) => name.endsWith('.yaml'));

it('are there for every way to learn from preferences, and for the two journeys', () => {
  const preferences = ['dpo', 'kto', 'orpo', 'simpo', 'cpo', 'reward', 'ppo', 'grpo', 'rloo'];
  expect(recipes).toEqual(expect.arrayContaining([...preferences, 'journey-base', 'journey-chat'].map((name) => `${name}.yaml`)));
});

describe.each(recipes)('%s', (name) => {
  const read = readRecipe(join(examples, name));
  // What an earlier stage writes, or a script beside the example makes, is not there to be looked at.
  const stages = read.stages ?? [undefined];
  const shown = stages.flatMap((stage, n) => (stage?.start.answers ? [] : [stage === undefined ? undefined : n + 1]));
  const made = !read.recipe.model.endsWith('models/embedded');

  it.skipIf(made).each(shown)('has rows that fit (stage %s)', async (stage) => {
    const { dataset } = await previewRecipe(read, { rows: 1, stage });
    expect(dataset.sequences.length).toBeGreaterThan(20);
    const { in: rows, kept } = dataset.counts;
    // The most of what is read is used.
    expect(kept).toBeGreaterThan(0.75 * rows);
  });

  it('writes where runs belong', () => expect(read.recipe.out).toMatch(/runs\/[a-z-]+$/));
});
