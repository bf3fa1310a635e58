// Several adapters and scalar heads on one base: each set computes, trains and steps by itself.
import { expect, it } from 'vitest';
import type { ForwardBatch, NativeModel } from '../../lib/native.js';
import { numbers } from '../kernels/harness.js';
import { sumBound, UNIT } from '../support/bounds.js';
import { adapterOf, batchOf, below, family, load, sum } from './fixtures.js';

const source = family('qwen3');
const adapter = adapterOf(below(source.expected, 'adapter/'), source.adapter.alpha / source.adapter.rank);
const batch = batchOf(source.ids, source.trained);
const scoreRows = Int32Array.from([0, 3, 3, batch.tokens.length - 1]);
const scored: ForwardBatch = { ...batch, scoreRows };
const weights = numbers(scoreRows.length, 9);

async function loaded(dtype: 'f32' | 'bf16' = 'f32'): Promise<NativeModel> {
  const model = await load('qwen3', source.network, { train: 'adapter', dtype });
  await model.setAdapter(adapter);
  await model.setHead(numbers(source.network.hidden, 4, 0.3));
  return model;
}

/** Mean nats plus weighted scores: both heads at once, also on one position. */
async function loss(model: NativeModel): Promise<number> {
  const { logprob, score } = await model.forward(scored);
  return -sum(logprob) / logprob.length + score!.reduce((total, s, i) => total + s * (weights[i] ?? 0), 0);
}

it('has the gradient of scores and log-probabilities together that finite differences give', async () => {
  const model = await loaded();
  const { logprob } = await model.forward(scored, { keep: true });
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1 / logprob.length), score: weights });
  const whole = await loss(model);
  const names = [
    'base_model.model.score.weight',
    ...adapter.targets.slice(0, 9).flatMap(({ name }) => ['A', 'B'].map((f) => `base_model.model.${name}.lora_${f}.weight`)),
  ];
  for (const name of names) {
    const [value, gradient] = [await model.read(name, 'value'), await model.read(name, 'gradient')];
    const direction = numbers(value.length, 11);
    const along = async (step: number) => {
      await model.write(
        name,
        'value',
        value.map((v, i) => v + step * (direction[i] ?? 0)),
      );
      return loss(model);
    };
    const step = 2e-3;
    // A central difference is off by the step's square, and by the roundings of both losses over the step. Measured 0.16 of the bound on AVX2 and AVX-512, 0.23 on the reference.
    const rounding = (4 * UNIT.f32 * Math.abs(whole)) / step;
    const difference = ((await along(step)) - (await along(-step))) / (2 * step);
    await model.write(name, 'value', value);
    const expected = gradient.reduce((total, g, i) => total + g * (direction[i] ?? 0), 0);
    const size = Math.sqrt(gradient.reduce((total, g) => total + g * g, 0));
    const bound = 1e-3 * size + rounding;
    expect(Math.abs(difference - expected), `${name}: ${difference} by differences, ${expected} by backward`).toBeLessThan(bound);
  }
  model.dispose();
});

it('gives a score the same bits alone and beside log-probabilities', async () => {
  const model = await loaded('bf16');
  const beside = await model.forward(scored);
  const alone = await model.forward({ ...scored, targets: batch.targets.map(() => -1) });
  expect(alone.score).toEqual(beside.score);
  expect(alone.logprob).toHaveLength(0);
  model.dispose();
});

it('keeps adapters apart: values, gradients, steps, and the base without any', async () => {
  const model = await loaded();
  const bare = await load('qwen3', source.network);
  const base = (await bare.forward(batch)).logprob;
  await model.setAdapter({ ...adapter, name: 'reference', train: false });
  const before = (await model.forward(batch, { adapter: 'reference' })).logprob;
  expect((await model.forward(batch)).logprob).toEqual(before);
  expect((await model.forward(batch, { adapter: false })).logprob).toEqual(base);
  const { logprob } = await model.forward(batch, { keep: true });
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1) });
  await model.step({ learningRate: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, scale: 1, step: 1 });
  expect((await model.forward(batch)).logprob).not.toEqual(before);
  expect((await model.forward(batch, { adapter: 'reference' })).logprob).toEqual(before);
  expect((await model.forward(batch, { adapter: false })).logprob).toEqual(base);
  expect(model.parameters('reference')).toEqual([]);
  model.dispose();
  bare.dispose();
});

it('says what is missing: a head, a trained set, an adapter', async () => {
  const model = await load('qwen3', source.network, { train: 'adapter' });
  await model.setAdapter({ ...adapter, train: false });
  await expect(model.forward(scored)).rejects.toThrow('setHead');
  await expect(model.forward(batch, { keep: true })).rejects.toThrow('nothing is trained');
  await expect(model.gradientNorm('nobody')).rejects.toThrow('no adapter is named nobody');
  await expect(model.setHead(new Float32Array(3))).rejects.toThrow(`[setHead] weight: expected a Float32Array of ${source.network.hidden}`);
  model.dispose();
});

it('predicts the ids of targetRows, twice from one position where asked', async () => {
  const model = await loaded();
  const rows = Int32Array.from([2, 2, 5]);
  const { logprob } = await model.forward({ ...batch, targetRows: rows, targetIds: Int32Array.from([1, 7, 3]) });
  const logits = await model.logits(batch.tokens, batch.sequenceStarts);
  const V = source.network.vocabulary;
  const expected = [1, 7, 3].map((id, n) => {
    const row = logits.slice(rows[n]! * V, (rows[n]! + 1) * V);
    return row[id]! - Math.log(row.reduce((total, z) => total + Math.exp(z), 0));
  });
  // A sum of V exponentials in fp32, whose logarithm is off by as much as the sum relatively, and four roundings.
  for (const [n, value] of expected.entries())
    expect(Math.abs(logprob[n]! - value)).toBeLessThan(sumBound(V, 1) + 4 * UNIT.f32 * Math.abs(value));
  model.dispose();
});
