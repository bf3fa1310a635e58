// Every recipe in examples/ on the embedded model, two steps a stage: each comes to its end and leaves what it promised.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readRecipe } from '../../lib/recipe/index.js';
import { evaluationsOf, stepsOf, trained } from '../support/events.js';

const examples = resolve(import.meta.dirname, '../../examples');
const work = mkdtempSync(join(tmpdir(), 'attune-examples-'));
afterAll(() => rmSync(work, { recursive: true }));

const embedded = (name: string) => readRecipe(join(examples, name)).recipe.model.endsWith('models/embedded');
const recipes = readdirSync(examples).filter((name) => name.endsWith('.yaml') && embedded(name));

it.each(recipes)('%s trains', async (name) => {
  const { stages } = readRecipe(join(examples, name));
  const groups = stages?.map((_, n) => `stages.${n}.train`) ?? ['train'];
  const set = groups.map((group) => `${group}.steps=2`);
  // The adapter that another example makes.
  if (name === 'distill.yaml') set.push(`method.teacher=${resolve(examples, '../models/embedded')}`);
  const out = join(work, name);
  const read = readRecipe(join(examples, name), { set });
  const events = await trained(read, { out });
  const training = stages?.filter(({ recipe }) => recipe.method.name !== 'sample').length ?? 1;
  expect(stepsOf(events)).toHaveLength(2 * training);
  for (const { loss } of [...stepsOf(events), ...evaluationsOf(events)]) expect(loss ?? 0).toSatisfy(Number.isFinite);
  const done = events.at(-1);
  expect(done?.event === 'done' && existsSync(done.output)).toBe(true);
});
