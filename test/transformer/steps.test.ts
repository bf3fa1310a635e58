// Twenty steps with an adapter and twenty of all weights equal PyTorch's and PEFT's, step by step (test/reference/lora_steps.py).
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NativeModel } from '../../lib/native.js';
import { relativeError } from '../kernels/harness.js';
import { adapterOf, batchOf, FIXTURES, family, hasModel, load, passes, tensors } from './fixtures.js';

interface Curve {
  loss: number[];
  gradientNorm: number[];
}
interface Recorded {
  base: string;
  learningRate: number;
  clip: number;
  weightDecay: number;
  steps: { ids: number[][]; trained: number[][] }[];
  lora: Curve;
  all: Curve;
}
const recorded = JSON.parse(readFileSync(resolve(FIXTURES, 'steps/steps.json'), 'utf8')) as Recorded;
const { network } = family(recorded.base);
const plain = adapterOf(tensors(resolve(FIXTURES, 'peft/plain/adapter_model.safetensors')), 8 / 4);

/** One optimiser step on rows that go through the network in micro-batches of `atOnce` rows. */
async function step(model: NativeModel, n: number, atOnce: number) {
  const { ids, trained } = recorded.steps[n]!;
  const count = trained.flat().filter(Boolean).length;
  let loss = 0;
  for (let at = 0; at < ids.length; at += atOnce) {
    loss += (await passes(model, batchOf(ids.slice(at, at + atOnce), trained.slice(at, at + atOnce)), count)).loss;
  }
  const gradientNorm = await model.gradientNorm();
  const { learningRate, weightDecay } = recorded;
  const scale = Math.min(1, recorded.clip / gradientNorm);
  await model.step({ learningRate, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay, scale, step: n + 1 });
  return { loss, gradientNorm };
}

async function follow(model: NativeModel, curve: Curve, atOnce: number) {
  for (const n of recorded.steps.keys()) {
    const got = await step(model, n, atOnce);
    expect(Math.abs(got.loss / curve.loss[n]! - 1), `loss of step ${n + 1}`).toBeLessThan(1e-4);
    expect(Math.abs(got.gradientNorm / curve.gradientNorm[n]! - 1), `gradient norm of step ${n + 1}`).toBeLessThan(1e-4);
  }
}

async function compareEnd(model: NativeModel, file: string) {
  const expected = tensors(resolve(FIXTURES, 'steps', file));
  expect(
    model
      .parameters()
      .map(({ name }) => name)
      .sort(),
  ).toEqual([...expected.keys()].sort());
  for (const [name, { values, shape }] of expected) {
    expect(model.parameters().find((p) => p.name === name)?.shape, name).toEqual(shape);
    expect(relativeError(await model.read(name, 'value'), values), name).toBeLessThan(1e-3);
  }
}

describe.skipIf(!hasModel)('twenty steps', () => {
  it.each([4, 1])('of an adapter equal those of PEFT, %i rows at once', async (atOnce) => {
    const model = await load(recorded.base, network, { train: 'adapter', threads: 2 });
    await model.setAdapter(plain);
    await follow(model, recorded.lora, atOnce);
    await compareEnd(model, 'lora_end.safetensors');
    model.dispose();
  });

  it.each([4, 1])('of all weights equal those of PyTorch, %i rows at once', async (atOnce) => {
    const model = await load(recorded.base, network, { train: 'all', threads: 2 });
    await follow(model, recorded.all, atOnce);
    await compareEnd(model, 'all_end.safetensors');
    model.dispose();
  });

  it('go on bit for bit from values and moments that were read and written', async () => {
    const straight = await load(recorded.base, network, { train: 'all' });
    for (const n of [0, 1, 2, 3]) await step(straight, n, 2);
    const first = await load(recorded.base, network, { train: 'all' });
    for (const n of [0, 1]) await step(first, n, 2);
    const second = await load(recorded.base, network, { train: 'all' });
    for (const { name } of first.parameters()) {
      for (const part of ['value', 'first', 'second'] as const) await second.write(name, part, await first.read(name, part));
    }
    for (const n of [2, 3]) await step(second, n, 2);
    for (const { name } of straight.parameters()) {
      for (const part of ['value', 'first', 'second'] as const) {
        expect(await second.read(name, part), `${part} of ${name}`).toEqual(await straight.read(name, part));
      }
    }
    for (const model of [straight, first, second]) model.dispose();
  });

  it('in bf16 fall as they do in fp32', async () => {
    const model = await load(recorded.base, network, { train: 'adapter', dtype: 'bf16' });
    await model.setAdapter(plain);
    const far: number[] = [];
    for (const n of recorded.steps.keys()) far.push(Math.abs((await step(model, n, 4)).loss / recorded.lora.loss[n]! - 1));
    expect(Math.max(...far)).toBeLessThan(0.02);
    model.dispose();
  });
});
