// Ten steps of each preference method from a recipe equal those of TRL's own trainers (test/reference/preference_steps.py).
import { join } from 'node:path';
import { describe, it } from 'vitest';
import type { RecipeInput } from '../../../lib/recipe/index.js';
import { trained } from '../../support/events.js';
import { expectSteps, fixturePath, recordedOf, repeatedRecipe } from '../../support/recorded_steps.js';
import { stories260k, WITHOUT } from '../../support/shared.js';
import { scratchFolder } from '../../support/tiny_model.js';

type Figures = [loss: number, norm: number];
const named = ([loss, gradientNorm]: Figures) => ({ loss, gradientNorm });

interface Recorded {
  rate: number;
  rowsPerStep: number;
  rows: Record<string, unknown>[];
  cases: Record<string, { method: RecipeInput['method']; columns: string[]; steps: Figures[]; off: Figures }>;
}
const { rate, rowsPerStep, rows, cases } = recordedOf<Recorded>('preferences');
const scratch = scratchFolder();

describe.skipIf(stories260k === undefined)(`ten steps ${WITHOUT} are those of TRL:`, () => {
  it.each(Object.entries(cases))('%s', async (name, { method, columns, steps, off }) => {
    const from = fixturePath('preferences', name === 'reward' ? 'reward' : 'policy');
    const seen = rows.map((all) => Object.fromEntries(columns.map((column) => [column, all[column]])));
    const recipe = repeatedRecipe({ folder: join(scratch, name), method, rows: seen, from, steps: steps.length, rate, rowsPerStep });
    // Of the two, one may be near by luck.
    const worst = Math.max(...off);
    expectSteps(await trained(recipe), steps.map(named), named([worst, worst]));
  });
});
