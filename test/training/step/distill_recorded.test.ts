// Ten steps of distillation from a recipe equal a plain program in PyTorch with TRL's divergence (test/reference/distill_steps.py).
import { join } from 'node:path';
import { describe, it } from 'vitest';
import type { RecipeInput } from '../../../lib/recipe/index.js';
import { trained } from '../../support/events.js';
import { expectSteps, fixturePath, recordedOf, repeatedRecipe } from '../../support/recorded_steps.js';
import { stories260k, WITHOUT } from '../../support/shared.js';
import { scratchFolder } from '../../support/tiny_model.js';

type Distill = Extract<RecipeInput['method'], { name: 'distill' }>;
interface Recorded {
  rate: number;
  rowsPerStep: number;
  cases: Record<string, { method: Omit<Distill, 'teacher'>; steps: [loss: number, norm: number, nll: number][] }>;
}
const { rate, rowsPerStep, cases } = recordedOf<Recorded>('distill');
const rows = recordedOf<{ rows: { prompt: string; chosen: string }[] }>('preferences').rows.map(({ prompt, chosen }) => ({
  prompt,
  completion: chosen,
}));
const scratch = scratchFolder();

describe.skipIf(stories260k === undefined)(`ten steps ${WITHOUT} are those of a plain program:`, () => {
  it.each(Object.entries(cases))('%s', async (name, { method, steps }) => {
    const recipe = repeatedRecipe({
      ...{ folder: join(scratch, name), rows, from: fixturePath('preferences/policy'), steps: steps.length, rate, rowsPerStep },
      method: { ...method, teacher: stories260k as string } as Distill,
    });
    const wanted = steps.map(([loss, gradientNorm, nll]) => ({ loss, gradientNorm, ...(method.temperature === undefined && { nll }) }));
    expectSteps(await trained(recipe), wanted);
  });
});
