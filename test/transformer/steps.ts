/** Steps on recorded rows, as test/reference takes them in PyTorch and PEFT. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'vitest';
import type { NativeModel } from '../../lib/native.js';
import { batchFrom, type Family, FIXTURES, passes } from './fixtures.js';

export interface Curve {
  loss: number[];
  gradientNorm: number[];
  /** How far PyTorch's own float64 comes out from these figures at most. */
  off: number;
  /** And from the tensors at the end, where they are recorded. */
  tensorsOff?: number;
}
type Rows = Pick<Family, 'ids' | 'trained' | 'targets'>;
export interface RecordedSteps {
  base: string;
  learningRate: number;
  clip: number;
  weightDecay: number;
  steps: Rows[];
  lora: Curve;
  all: Curve;
}
export const recordedSteps = (folder: string) => JSON.parse(readFileSync(resolve(FIXTURES, folder, 'steps.json'), 'utf8')) as RecordedSteps;

const predicted = (rows: Rows) => batchFrom(rows).targets.filter((id) => id >= 0).length;

/** One optimiser step on rows that go through the network in micro-batches of `atOnce` rows. */
export async function step(model: NativeModel, { steps, learningRate, weightDecay, clip }: RecordedSteps, n: number, atOnce: number) {
  const rows = steps[n]!;
  const places = [...rows.ids.keys()];
  let loss = 0;
  for (let at = 0; at < places.length; at += atOnce)
    loss += (await passes(model, batchFrom(rows, places.slice(at, at + atOnce)), predicted(rows))).loss;
  const gradientNorm = await model.gradientNorm();
  const scale = Math.min(1, clip / gradientNorm);
  await model.step({ learningRate, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay, scale, step: n + 1 });
  return { loss, gradientNorm };
}

/**
 * The recorded figures are PyTorch's in float32, which lie as far from the truth as `off` says. Another program may lie twice as far on the other side.
 */
export const OFF = 3;

/** Takes all steps, whose losses and norms must be those of the curve. */
export async function follow(model: NativeModel, recorded: RecordedSteps, curve: Curve, atOnce: number) {
  for (const n of recorded.steps.keys()) {
    const got = await step(model, recorded, n, atOnce);
    expect(Math.abs(got.loss / curve.loss[n]! - 1), `loss of step ${n + 1}`).toBeLessThan(OFF * curve.off);
    expect(Math.abs(got.gradientNorm / curve.gradientNorm[n]! - 1), `gradient norm of step ${n + 1}`).toBeLessThan(OFF * curve.off);
  }
}
