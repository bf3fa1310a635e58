// Recipes over tiny models, and their events.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecipeInput } from '../../lib/options/index.js';
import type { EvaluationEvent, StepEvent, TrainingEvent } from '../../lib/training/events.js';
import { type TrainInput, type TrainOptions, train } from '../../lib/training/train.js';
import { writeTinyModel } from './tiny_model.js';

const WORDS = 'cells divide and grow while light falls on leaves that drink water from deep roots'.split(' ');

/** Row n of made-up texts: 20 to 60 bytes, each row another. */
export const tinyText = (n: number) =>
  `${Array.from({ length: 4 + (n % 7) }, (_, i) => WORDS[(n * 5 + i * 3) % WORDS.length]).join(' ')} ${n}`;

/** Writes a tiny model and rows, and returns a recipe over them; `train` keys are changed by `change`. */
export function tinyRecipe(folder: string, change: Record<string, unknown> = {}, { rows = 24, model = {} } = {}) {
  const base = writeTinyModel(join(folder, 'model'), { config: model });
  const data = join(folder, 'rows.jsonl');
  writeFileSync(data, Array.from({ length: rows }, (_, n) => `${JSON.stringify({ text: tinyText(n) })}\n`).join(''));
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

export const stepsOf = (events: readonly TrainingEvent[]) => events.filter((event): event is StepEvent => event.event === 'step');
export const evaluationsOf = (events: readonly TrainingEvent[]) =>
  events.filter((event): event is EvaluationEvent => event.event === 'evaluation');
export const lossesOf = (events: readonly TrainingEvent[]) => stepsOf(events).map(({ loss }) => loss);
