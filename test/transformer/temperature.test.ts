// Log-probabilities of logits / temperature, forward and backward; scores are not divided.
import { expect, it } from 'vitest';
import type { ForwardBatch, NativeModel } from '../../lib/native.js';
import { numbers } from '../kernels/harness.js';
import { sumBound, UNIT } from '../support/bounds.js';
import { adapterOf, batchOf, below, family, load, sum } from './fixtures.js';

const source = family('qwen3');
const batch = batchOf(source.ids, source.trained);
const scored: ForwardBatch = { ...batch, scoreRows: Int32Array.from([0, 3, batch.tokens.length - 1]) };
const head = numbers(source.network.hidden, 4, 0.3);
const weights = numbers(3, 9);

/** A sum of V exponentials in fp32, whose logarithm is off by as much as the sum relatively, and four roundings of the figure. Measured 0.22 of it at most. */
const bound = (figure: number) => sumBound(source.network.vocabulary, 1) + 4 * UNIT.f32 * Math.abs(figure);

/** Of every position that is predicted, from the logits themselves. */
function expected(logits: Float32Array, temperature: number) {
  const V = source.network.vocabulary;
  return [...batch.targets.entries()].flatMap(([i, id]) => {
    if (id < 0) return [];
    const row = Array.from(logits.subarray(i * V, (i + 1) * V), (z) => z / temperature);
    const lse = Math.log(row.reduce((total, z) => total + Math.exp(z), 0));
    const entropy = row.reduce((total, z) => total - Math.exp(z - lse) * (z - lse), 0);
    return [{ logprob: (row[id] as number) - lse, lse, entropy }];
  });
}

it('divides logits before anything is made of them, and no score', async () => {
  const model = await load('qwen3', source.network, { train: 'adapter' });
  await model.setAdapter(adapterOf(below(source.expected, 'adapter/'), source.adapter.alpha / source.adapter.rank));
  await model.setHead(head);
  const logits = await model.logits(batch.tokens, batch.sequenceStarts);
  const plain = await model.forward(scored);
  for (const temperature of [0.5, 1.7]) {
    const result = await model.forward(scored, { temperature, entropy: true });
    for (const [n, { logprob, lse, entropy }] of expected(logits, temperature).entries()) {
      expect(Math.abs(result.logprob[n]! - logprob)).toBeLessThan(bound(logprob));
      expect(Math.abs(result.lse[n]! - lse)).toBeLessThan(bound(lse));
      expect(Math.abs(result.entropy![n]! - entropy)).toBeLessThan(bound(entropy));
    }
    expect(result.score).toEqual(plain.score);
  }
  expect((await model.forward(scored, { temperature: 1 })).logprob).toEqual(plain.logprob);
  await expect(async () => model.forward(batch, { temperature: 0 })).rejects.toThrow('temperature: expected above 0');
  model.dispose();
});

async function loss(model: NativeModel, temperature: number): Promise<number> {
  const { logprob, score } = await model.forward(scored, { temperature });
  return -sum(logprob) / logprob.length + score!.reduce((total, s, i) => total + s * (weights[i] ?? 0), 0);
}

it.each([0.6, 2])('has the gradient at temperature %s that finite differences give, of all weights', async (temperature) => {
  const model = await load('qwen3', source.network, { train: 'all' });
  await model.setHead(head);
  const { logprob } = await model.forward(scored, { keep: true, temperature });
  await model.backward({ logprob: new Float32Array(logprob.length).fill(-1 / logprob.length), score: weights });
  const whole = await loss(model, temperature);
  const names = ['model.norm.weight', 'score.weight', 'model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.weight'];
  for (const name of names) {
    const [value, gradient] = [await model.read(name, 'value'), await model.read(name, 'gradient')];
    const size = Math.sqrt(gradient.reduce((total, g) => total + g * g, 0));
    const direction = gradient.map((g) => g / size);
    const along = async (step: number) => {
      await model.write(
        name,
        'value',
        value.map((v, i) => v + step * (direction[i] as number)),
      );
      return loss(model, temperature);
    };
    const step = 1e-2;
    // A central difference is off by the step's square, and by the roundings of both losses over the step. Measured 0.27 of the bound on every instruction set.
    const off = 2e-3 * size + (4 * UNIT.f32 * Math.abs(whole)) / step;
    const difference = ((await along(step)) - (await along(-step))) / (2 * step);
    await model.write(name, 'value', value);
    expect(Math.abs(difference - size), `${name}: ${difference} by differences, ${size} by backward`).toBeLessThan(off);
  }
  model.dispose();
});
