// Recipes over stories260k that repeat what a script of test/reference ran step by step, and the comparison of their steps with the recorded ones.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import type { RecipeInput } from '../../lib/recipe/index.js';
import type { TrainingEvent } from '../../lib/training/events.js';
import { expectRatio } from './bounds.js';
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

/** The loss of a step, the norm of its gradient, and what else is recorded of it. */
type Figures = Record<string, number>;

/** The recorded figures are float32's, as far from the truth as `off` says: another program may lie twice as far on the other side. */
export const OFF = 3;

/**
 * Each step of a run has these figures, relative to their size.
 * @param off how far the recorded ones lie from float64's at most, by name; `times` that is allowed
 */
export function expectSteps(events: readonly TrainingEvent[], recorded: readonly Figures[], off: Figures, times = OFF): void {
  const found = stepsOf(events);
  expect(found).toHaveLength(recorded.length);
  for (const [n, figures] of recorded.entries())
    for (const [name, wanted] of Object.entries(figures))
      expectRatio(found[n]?.[name] as number, wanted, times * off[name]!, `${name} of step ${n + 1}`);
}
