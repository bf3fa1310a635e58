// The highest ranks that a recipe may name are those that the kernels take: there a padded adapter says what the small one says, one above is refused.
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AdapterOptions } from '../../lib/native.js';
import { parseRecipe } from '../../lib/recipe/index.js';
import { expectRatio, UNIT } from '../support/bounds.js';
import { adapterOf, batchFrom, FIXTURES, family, hasModel, load, tensors } from './fixtures.js';

const known = family('qwen2');
const plain = adapterOf(tensors(resolve(FIXTURES, 'peft/plain/adapter_model.safetensors')), 2);

/** The layers of `names` alone, with ranks of zeros up to `rank`. */
function padded(names: readonly string[], rank: number): AdapterOptions {
  const chosen = plain.targets.filter(({ name }) => names.some((part) => name.endsWith(part)));
  const targets = chosen.map((target) => {
    const [inputs, outputs] = [target.a.length / target.rank, target.b.length / target.rank];
    const [a, b] = [new Float32Array(rank * inputs), new Float32Array(outputs * rank)];
    a.set(target.a);
    for (let n = 0; n < outputs; n++) b.set(target.b.subarray(n * target.rank, (n + 1) * target.rank), n * rank);
    return { ...target, rank, a, b };
  });
  return { ...plain, targets };
}

const isAccepted = (targets: readonly string[], rank: number) => {
  try {
    parseRecipe({ model: 'm', method: 'sft', data: 'd', adapter: { rank, targets: [...targets] } });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'bad_recipe', message: expect.stringContaining(`adapter.rank must be at most ${rank - 1}`) });
    return false;
  }
};

describe.skipIf(!hasModel)('the highest rank', () => {
  it.each([
    [['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'], 2720],
    [['gate_proj', 'up_proj', 'q_proj'], 4080],
  ])('of %j is %i', async (names, rank) => {
    const model = await load('qwen2', known.network, { train: 'adapter', threads: 2 });
    const batch = batchFrom(known, [0]);
    await model.setAdapter(padded(names, 4));
    const { logprob: wanted } = await model.forward(batch, { keep: true });
    await model.backward({ logprob: new Float32Array(wanted.length).fill(-1) });
    const norm = await model.gradientNorm();
    await model.setAdapter(padded(names, rank));
    const { logprob } = await model.forward(batch, { keep: true });
    await model.backward({ logprob: new Float32Array(wanted.length).fill(-1) });
    // Sums of the same four figures and of zeros, which may stand in another order: a few roundings. Measured 0 on every instruction set.
    for (const [n, one] of logprob.entries()) expect(Math.abs(one - wanted[n]!)).toBeLessThan(4 * UNIT.f32 * (1 + Math.abs(wanted[n]!)));
    expectRatio(await model.gradientNorm(), norm, 4 * UNIT.f32, 'norm');
    await expect(model.setAdapter(padded(names, rank + 1))).rejects.toMatchObject({ code: 'adapter_shape' });
    expect([isAccepted(names, rank), isAccepted(names, rank + 1)]).toEqual([true, false]);
    model.dispose();
  });
});

it('of layers that share nothing is the largest rank of all', () => {
  expect([isAccepted(['o_proj', 'down_proj', 'q_proj'], 4096)]).toEqual([true]);
});
