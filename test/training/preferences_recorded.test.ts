// Ten steps of each preference method from a recipe equal those of TRL's own trainers (test/reference/preference_steps.py).
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RecipeInput } from '../../lib/options/index.js';
import { stepsOf, trained } from '../support/events.js';
import { stories260k, WITHOUT } from '../support/shared.js';
import { scratchFolder } from '../support/tiny_model.js';

const folder = resolve(import.meta.dirname, '../reference/fixtures/preferences');
const recorded = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
  rate: number;
  rowsPerStep: number;
  rows: Record<string, unknown>[];
  cases: Record<string, { method: RecipeInput['method']; columns: string[]; steps: [loss: number, norm: number][] }>;
};
const scratch = scratchFolder();
/** Of a figure: what two right programs in single precision may differ by, where AdamW moves by the signs of small gradients. */
const BOUND = 1e-4;

describe.skipIf(stories260k === undefined)(`ten steps ${WITHOUT} are those of TRL:`, () => {
  it.each(Object.entries(recorded.cases))('%s', async (name, { method, columns, steps }) => {
    const data = join(scratch, `${name}.jsonl`);
    const row = (all: Record<string, unknown>) => Object.fromEntries(columns.map((column) => [column, all[column]]));
    writeFileSync(data, recorded.rows.map((all) => `${JSON.stringify(row(all))}\n`).join(''));
    const recipe = {
      model: stories260k as string,
      compute: { dtype: 'f32' as const },
      adapter: { from: join(folder, name === 'reward' ? 'reward' : 'policy') },
      method,
      data,
      train: {
        rowsPerStep: recorded.rowsPerStep,
        steps: steps.length,
        maxLength: 256,
        learningRate: recorded.rate,
        schedule: 'constant' as const,
        warmup: 0,
        shuffle: false,
      },
      out: join(scratch, name),
    };
    const found = stepsOf(await trained(recipe));
    expect(found).toHaveLength(steps.length);
    for (const [n, [loss, norm]] of steps.entries()) {
      expect(Math.abs((found[n]?.loss as number) / loss - 1), `loss of step ${n + 1}`).toBeLessThan(BOUND);
      expect(Math.abs((found[n]?.gradientNorm as number) / norm - 1), `gradient norm of step ${n + 1}`).toBeLessThan(BOUND);
    }
  });
});
