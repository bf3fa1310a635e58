// Recipes over stories260k that repeat what a script of test/reference ran step by step, and the comparison of their steps with the recorded ones.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import type { RecipeInput } from '../../lib/recipe/index.js';
import type { TrainingEvent } from '../../lib/training/events.js';
import { stepsOf, writeRows } from './events.js';
import { stories260k } from './shared.js';

const fixtures = resolve(import.meta.dirname, '../reference/fixtures');

/** A path in the recorded fixtures. */
export const fixturePath = (...parts: string[]) => join(fixtures, ...parts);

/** What the script of `name` recorded. */
export const recordedOf = <T>(name: string) => JSON.parse(readFileSync(fixturePath(name, 'expected.json'), 'utf8')) as T;

export interface Repeated {
  /** Of the output, not there yet; rows lie beside it. */
  folder: string;
  method: RecipeInput['method'];
  rows: readonly object[];
  /** Folder of the adapter that the steps begin with. */
  from: string;
  steps: number;
  rate: number;
  rowsPerStep: number;
}

/** In float32, rows in file order, constant rate, no dropout, AdamW and clipping by default. */
export function repeatedRecipe({ folder, method, rows, from, steps, rate, rowsPerStep }: Repeated) {
  const data = writeRows(`${folder}.jsonl`, rows);
  const order = { schedule: 'constant', warmup: 0, shuffle: false } as const;
  return {
    model: stories260k as string,
    compute: { dtype: 'f32' as const },
    adapter: { from },
    method,
    data,
    train: { rowsPerStep, steps, maxLength: 256, learningRate: rate, ...order },
    out: folder,
  };
}

/** Of a figure: what two right programs in single precision may differ by, where AdamW moves by the signs of small gradients. */
const BOUND = 1e-4;

/** Each step of a run has these figures, relative to their size. */
export function expectSteps(events: readonly TrainingEvent[], recorded: readonly Record<string, number>[]): void {
  const found = stepsOf(events);
  expect(found).toHaveLength(recorded.length);
  for (const [n, figures] of recorded.entries())
    for (const [name, wanted] of Object.entries(figures))
      expect(Math.abs((found[n]?.[name] as number) / wanted - 1), `${name} of step ${n + 1}`).toBeLessThan(BOUND);
}
