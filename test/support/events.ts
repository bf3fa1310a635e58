// Recipes over tiny models, and their events.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { RecipeInput } from '../../lib/recipe/index.js';
import type { EvaluationEvent, StepEvent, TrainingEvent } from '../../lib/training/events.js';
import { type TrainInput, type TrainOptions, train } from '../../lib/training/run/train.js';
import { writeTinyModel } from './tiny_model.js';

const WORDS = 'cells divide and grow while light falls on leaves that drink water from deep roots'.split(' ');

/** Row n of made-up texts: 20 to 60 bytes, each row another. */
export const tinyText = (n: number) =>
  `${Array.from({ length: 4 + (n % 7) }, (_, i) => WORDS[(n * 5 + i * 3) % WORDS.length]).join(' ')} ${n}`;

/** Writes rows as JSONL -> the file. */
export function writeRows(file: string, rows: readonly object[]): string {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

/** Writes a tiny model and rows, and returns a recipe over them; `train` keys are changed by `change`. */
export function tinyRecipe(folder: string, change: Record<string, unknown> = {}, { rows = 24, model = {} } = {}) {
  const base = writeTinyModel(join(folder, 'model'), { config: model });
  const texts = Array.from({ length: rows }, (_, n) => ({ text: tinyText(n) }));
  const data = writeRows(join(folder, 'rows.jsonl'), texts);
  const { train: trainKeys, ...rest } = change;
  return {
    model: base,
    compute: { dtype: 'f32', threads: 1 },
    method: 'pretrain',
    data,
    train: { rowsPerStep: 4, maxLength: 64, steps: 6, learningRate: 1e-3, checkpointEvery: 2, seed: 1, ...(trainKeys as object) },
    out: join(folder, 'out'),
    ...rest,
  } as RecipeInput & { out: string; data: string; model: string };
}

export const ADAPTER = { rank: 4, alpha: 8, targets: 'all-linear', dropout: 0.1 };

/** Runs to the end. */
export async function trained(recipe: TrainInput, options: TrainOptions = {}): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of train(recipe, options)) events.push(event);
  return events;
}

/** Runs until the event that `isLast` knows, and aborts there -> the steps that were told. */
export async function stoppedWhen(
  recipe: TrainInput,
  isLast: (event: TrainingEvent) => boolean,
  options: TrainOptions = {},
): Promise<number[]> {
  const stop = new AbortController();
  const steps: number[] = [];
  const run = async () => {
    for await (const event of train(recipe, { signal: stop.signal, ...options })) {
      if (event.event === 'step') steps.push(event.step);
      if (isLast(event)) stop.abort();
    }
  };
  await expect(run()).rejects.toMatchObject({ kind: 'interrupted', code: 'interrupted' });
  return steps;
}

/** Runs until `step` was told. */
export const stoppedAt = (recipe: TrainInput, step: number, options: TrainOptions = {}) =>
  stoppedWhen(recipe, (event) => event.event === 'step' && event.step === step, options);

export const stepsOf = (events: readonly TrainingEvent[]) => events.filter((event): event is StepEvent => event.event === 'step');
export const evaluationsOf = (events: readonly TrainingEvent[]) =>
  events.filter((event): event is EvaluationEvent => event.event === 'evaluation');
export const lossesOf = (events: readonly TrainingEvent[]) => stepsOf(events).map(({ loss }) => loss);
