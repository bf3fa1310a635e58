// Permutation language modelling on a decoder equals the plain form in float64, in which each predicted token has a pass of its own (test/reference/plm.py).
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Random } from '../../lib/data/order/random.js';
import { methods, permuted } from '../../lib/methods/index.js';
import type { ForwardBatch } from '../../lib/native.js';
import { expectNear, expectRatio, UNIT } from '../support/bounds.js';
import { FIXTURES, family, gradientsOf, hasModel, load, tensors } from './fixtures.js';

interface Recorded {
  mask: number;
  loss: number;
  gradientNorm: number;
  rows: { ids: number[]; order: number[]; predicted: number; logprob: number[] }[];
}
const recorded = JSON.parse(readFileSync(resolve(FIXTURES, 'plm/expected.json'), 'utf8')) as Recorded;

/** The row in its recorded order: a shuffle that always gives what is predicted first, and each part in the order. */
function laid({ ids, order, predicted }: Recorded['rows'][number]) {
  const rank = (place: number) => (order.indexOf(place) + predicted) % order.length;
  const shuffle: Random['shuffle'] = (list) => list.sort((a: unknown, b: unknown) => rank(a as number) - rank(b as number)) as typeof list;
  return permuted(
    Int32Array.from(ids),
    { mask: recorded.mask, maskShare: predicted / (ids.length - 1), span: 1 },
    { below: () => 0, shuffle },
  );
}

function batchOf(rows: Recorded['rows']): ForwardBatch {
  const all = rows.map(laid);
  const starts = [0];
  for (const { ids } of all) starts.push(starts.at(-1)! + ids.length);
  const joined = (name: 'ids' | 'positions' | 'targets' | 'hiddenFrom' | 'hiddenTo', shifted = false) =>
    Int32Array.from(all.flatMap((row, n) => Array.from(row[name], (x) => x + (shifted ? starts[n]! : 0))));
  return {
    tokens: joined('ids'),
    sequenceStarts: Int32Array.from(starts),
    targets: joined('targets'),
    positions: joined('positions'),
    hiddenFrom: joined('hiddenFrom', true),
    hiddenTo: joined('hiddenTo', true),
  };
}

describe.skipIf(!hasModel)('plm on a decoder', () => {
  it('lays rows out in their recorded order', () => {
    for (const row of recorded.rows) {
      const { positions, targets } = laid(row);
      expect([...positions.filter((_, j) => targets[j] === -1)]).toEqual(row.order.slice(0, -1));
      expect([...positions.filter((_, j) => targets[j] !== -1)]).toEqual(row.order.slice(-row.predicted));
    }
  });

  it('has the log-probabilities, loss and gradients of the plain form', async () => {
    const model = await load('llama', family('llama').network, { train: 'all', threads: 2 });
    const { logprob } = await model.forward(batchOf(recorded.rows), { keep: true });
    const wanted = recorded.rows.flatMap((row) => row.logprob);
    // Twice what PyTorch in float32 is off by on the same checkpoint. Measured at most 0.6 of these bounds.
    const { logits, gradient: whole, gradients: single } = family('llama').errors.f32;
    expectNear(logprob, Float64Array.from(wanted), 2 * logits, 'logprob');
    const { lossSum, gradient } = methods.plm.loss({ logprob, divisor: wanted.length }, { name: 'plm', maskShare: 0.15, span: 5 });
    expectRatio(lossSum / wanted.length, recorded.loss, 4 * UNIT.f32, 'loss');
    await model.backward(gradient);
    expectRatio(await model.gradientNorm(), recorded.gradientNorm, 2 * whole, 'norm');
    const gradients = await gradientsOf(model);
    const expected = tensors(resolve(FIXTURES, 'plm/expected.safetensors'));
    expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
    const bound = 2 * Math.max(...Object.values(single));
    for (const [name, { values }] of expected) expectNear(gradients.get(name)!, values, bound, name);
    model.dispose();
  });
});
