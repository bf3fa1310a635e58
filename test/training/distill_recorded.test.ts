// Ten steps of distillation from a recipe equal a plain program in PyTorch with TRL's divergence (test/reference/distill_steps.py).
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RecipeInput } from '../../lib/options/index.js';
import { stepsOf, trained } from '../support/events.js';
import { stories260k, WITHOUT } from '../support/shared.js';
import { scratchFolder } from '../support/tiny_model.js';

type Distill = Extract<RecipeInput['method'], { name: 'distill' }>;
interface Recorded {
  rate: number;
  rowsPerStep: number;
  cases: Record<string, { method: Omit<Distill, 'teacher'>; steps: [loss: number, norm: number, nll: number][] }>;
}
const fixtures = resolve(import.meta.dirname, '../reference/fixtures');
const read = (name: string) => JSON.parse(readFileSync(join(fixtures, name, 'expected.json'), 'utf8')) as unknown;
const recorded = read('distill') as Recorded;
const { rows } = read('preferences') as { rows: { prompt: string; chosen: string }[] };
const scratch = scratchFolder();
/** Of a figure: what two right programs in single precision may differ by, where AdamW moves by the signs of small gradients. */
const BOUND = 1e-4;

describe.skipIf(stories260k === undefined)(`ten steps ${WITHOUT} are those of a plain program:`, () => {
  it.each(Object.entries(recorded.cases))('%s', async (name, { method, steps }) => {
    const data = join(scratch, `${name}.jsonl`);
    writeFileSync(data, rows.map(({ prompt, chosen }) => `${JSON.stringify({ prompt, completion: chosen })}\n`).join(''));
    const recipe = {
      model: stories260k as string,
      compute: { dtype: 'f32' as const },
      adapter: { from: join(fixtures, 'preferences/policy') },
      method: { ...method, teacher: stories260k as string } as Distill,
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
    for (const [n, [loss, norm, nll]] of steps.entries()) {
      const off = (key: string, value: number) => Math.abs((found[n]?.[key] as number) / value - 1);
      expect(off('loss', loss), `loss of step ${n + 1}`).toBeLessThan(BOUND);
      expect(off('gradientNorm', norm), `gradient norm of step ${n + 1}`).toBeLessThan(BOUND);
      if (method.temperature === undefined) expect(off('nll', nll), `nll of step ${n + 1}`).toBeLessThan(BOUND);
    }
  });
});
