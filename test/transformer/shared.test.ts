// Sequences that share their beginning, laid out so that it is computed once: the same log-probabilities, scores and gradients as each of them alone.
import { describe, expect, it } from 'vitest';
import { columnsOf, packBatch, packShared } from '../../lib/data/index.js';
import type { ForwardBatch } from '../../lib/native.js';
import { numbers, random, relativeError } from '../kernels/harness.js';
import { expectNear, UNIT } from '../support/bounds.js';
import { adapterOf, below, family, gradientsOf, hasModel, load } from './fixtures.js';

const next = random(3);
const words = (count: number) => Array.from({ length: count }, () => 3 + Math.floor(next() * 37));

/** Three units: answers of many lengths with one prompt, a pair, and one by itself. */
function sequences() {
  const unit = (prompt: number, ...answers: number[]) => {
    const [shared, kind] = [words(prompt), { kind: 'ranking', ranks: answers.map((_, n) => n) }];
    return answers.map((length, member) => {
      const ids = Int32Array.from([...shared, 40 + member, ...words(length - 1)]);
      return { ids, trained: Uint8Array.from(ids, (_, i) => Number(i >= prompt)), unit: kind as never, member };
    });
  };
  return [...unit(40, 9, 33, 1, 20), ...unit(3, 5, 4), ...unit(8, 6)];
}

const all = sequences();
const rows = Int32Array.from(all.keys());
const alone: ForwardBatch = packBatch(all, rows);
const packed = packShared(all, rows);
const shared: ForwardBatch = { ...packed, sequenceKeys: packed.sequenceOf };
const weights = numbers(packed.trainedTokens, 8, 1);

/** Forward and backward with any gradient: log-probabilities, and gradients by name. */
async function through(name: string, batch: ForwardBatch, dtype: 'f32' | 'bf16' = 'f32', dropout = 0) {
  const { network, expected, adapter } = family(name);
  const model = await load(name, network, { train: dropout > 0 ? 'adapter' : 'all', dtype, threads: 2 });
  if (dropout > 0) await model.setAdapter(adapterOf(below(expected, 'adapter/'), adapter.alpha / adapter.rank, dropout));
  const { logprob } = await model.forward(batch, { keep: true, ...(dropout > 0 && { dropoutKey: 5 }) });
  await model.backward({ logprob: weights });
  const gradients = await gradientsOf(model);
  model.dispose();
  return { logprob, gradients };
}

describe.skipIf(!hasModel)('a beginning that is shared', () => {
  it('is laid out once', () => {
    expect(alone.tokens.length - shared.tokens.length).toBe(3 * 40 + 3);
  });

  it.each(['llama', 'mistral', 'qwen2_window', 'qwen3', 'yarn', 'head80'])('%s, f32: the numbers of each sequence alone', async (name) => {
    const [one, other] = [await through(name, shared), await through(name, alone)];
    // Only the order of adding differs: both together are off by no more than one may be, twice what PyTorch in float32 is.
    // Measured 0.11 and 0.35 of the bounds on AVX2 and AVX-512, 0 and 0.03 on the reference.
    const { logits, gradients } = family(name).errors.f32;
    expectNear(one.logprob, other.logprob, 2 * logits, 'logprob');
    const bound = 2 * Math.max(...Object.values(gradients));
    for (const [tensor, got] of one.gradients) expectNear(got, other.gradients.get(tensor)!, bound, tensor);
  });

  it('bf16: as near to fp32 as alone', async () => {
    const [one, other, exact] = [
      await through('llama', shared, 'bf16'),
      await through('llama', alone, 'bf16'),
      await through('llama', alone),
    ];
    expect(relativeError(one.logprob, exact.logprob)).toBeLessThan(2 * relativeError(other.logprob, exact.logprob));
    for (const [tensor, gradient] of exact.gradients) {
      const usual = relativeError(other.gradients.get(tensor)!, gradient);
      expect(relativeError(one.gradients.get(tensor)!, gradient), tensor).toBeLessThan(2 * usual);
    }
  });

  it('has the dropout of its first sequence, however units are put together', async () => {
    const whole = await through('llama', shared, 'f32', 0.3);
    const pair = packShared(all, [4, 5]);
    const keys = pair.sequenceOf.map((n) => n + 4);
    const { network, expected, adapter } = family('llama');
    const model = await load('llama', network, { train: 'adapter', threads: 2 });
    await model.setAdapter(adapterOf(below(expected, 'adapter/'), adapter.alpha / adapter.rank, 0.3));
    const { logprob } = await model.forward({ ...pair, sequenceKeys: keys }, { dropoutKey: 5 });
    const from = columnsOf(all, rows).sequenceStarts[4]!;
    // The same sums; measured 0 on every instruction set.
    expectNear(logprob, whole.logprob.subarray(from, from + logprob.length), 4 * UNIT.f32, 'logprob');
    model.dispose();
  });

  it('is refused where rotary embedding turns by the length of a sequence', async () => {
    await expect(through('dynamic', shared)).rejects.toThrow("rotary embedding of kind 'dynamic'");
  });

  it.each([
    [{ positions: new Int32Array(2) }, /positions: expected an Int32Array of/],
    [{ hiddenFrom: undefined }, /hiddenFrom and hiddenTo: expected both or none/],
    [{ sequenceKeys: new Int32Array(1) }, /sequenceKeys: expected an Int32Array of 3, a sequence each, or of \d+, a token each, got 1/],
    [{ hiddenTo: shared.hiddenTo!.map((to) => to + 1) }, /hiddenFrom\[\d+\] and hiddenTo\[\d+\]: /],
  ])('names what does not fit: %#', async (wrong, message) => {
    const { network } = family('llama');
    const model = await load('llama', network);
    await expect((async () => model.forward({ ...shared, ...wrong } as ForwardBatch))()).rejects.toThrow(message);
    model.dispose();
  });
});
