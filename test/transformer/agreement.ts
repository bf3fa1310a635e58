/** Logits, loss and the gradient of every tensor equal transformers' and PEFT's, on a tiny random checkpoint of each family (test/reference/families.py). */
import { expect, it } from 'vitest';
import type { NativeModel } from '../../lib/native.js';
import { compare, relativeError } from '../kernels/harness.js';
import {
  adapterOf,
  batchFrom,
  below,
  type Errors,
  FAMILIES,
  family,
  gradientsOf,
  load,
  passes,
  type Tensor,
  vanishes,
} from './fixtures.js';

const relative = (got: number, expected: number) => Math.abs(got - expected) / Math.abs(expected);
const middle = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

/** PyTorch's error of a single number may be small by luck: taken as its root mean square over all families. */
const usualLossError = Math.sqrt(FAMILIES.reduce((total, name) => total + family(name).errors.bf16.loss ** 2, 0) / FAMILIES.length);

/** Each tensor within its bound, and all of them together within `whole`. */
async function compareGradients(model: NativeModel, expected: Map<string, Tensor>, bound: (name: string) => number, whole: number) {
  const got = await gradientsOf(model);
  expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
  const size = Math.hypot(...[...expected.values()].map(({ values }) => Math.hypot(...values)));
  const error = (name: string, values: Float32Array) =>
    vanishes(name) ? Math.hypot(...got.get(name)!) / size : relativeError(got.get(name)!, values);
  const far = [...expected].map(([name, { values }]) => ({ name, error: error(name, values), bound: bound(name) }));
  expect(far.filter(({ error, bound }) => !(error <= bound))).toEqual([]);
  const all = (one: (name: string) => Float32Array) => [...expected.keys()].flatMap((name) => Array.from(one(name)));
  expect(
    relativeError(
      all((name) => got.get(name)!),
      all((name) => expected.get(name)!.values),
    ),
  ).toBeLessThan(whole);
}

/** `model.layers.1.mlp.up_proj.weight` → `mlp.up_proj.weight`: tensors of one kind are rounded alike in every layer. */
const kind = (name: string) => name.replace(/^.*layers\.\d+\./, '');

/** Twice PyTorch's own error of tensors of that kind, whichever layer had it; or of its middle tensor where that was small by luck. */
function twice({ gradients }: Errors) {
  const all = Object.entries(gradients);
  const usual = middle(Object.values(gradients));
  const known = all.filter(([name]) => !vanishes(name));
  return (name: string) => 2 * Math.max(usual, ...known.flatMap(([other, error]) => (kind(other) === kind(name) ? [error] : [])));
}

export function agreesWithTransformers(name: string): void {
  const { network, expected, ...figures } = family(name);
  const batch = batchFrom(figures);

  it('has the logits of transformers', async () => {
    const model = await load(name, network);
    compare(await model.logits(batch.tokens, batch.sequenceStarts), expected.get('logits')!.values, 1e-4, 'logit');
    model.dispose();
  });

  it('has its loss and every gradient, all weights trained', async () => {
    const model = await load(name, network, { train: 'all' });
    const { loss } = await passes(model, batch);
    expect(relative(loss, figures.loss)).toBeLessThan(1e-4);
    expect(relative(await model.gradientNorm(), figures.gradientNorm)).toBeLessThan(1e-4);
    await compareGradients(model, below(expected, 'gradient/'), () => 1e-4, 1e-4);
    model.dispose();
  });

  it("has PEFT's loss and every gradient, an adapter trained", async () => {
    const { rank, alpha, ...low } = figures.adapter;
    const model = await load(name, network, { train: 'adapter' });
    await model.setAdapter(adapterOf(below(expected, 'adapter/'), alpha / rank));
    const { loss } = await passes(model, batch);
    expect(relative(loss, low.loss)).toBeLessThan(1e-4);
    expect(relative(await model.gradientNorm(), low.gradientNorm)).toBeLessThan(1e-4);
    await compareGradients(model, below(expected, 'adapter_gradient/'), () => 1e-4, 1e-4);
    model.dispose();
  });

  it("errs in bf16 by no more than twice PyTorch's own error", async () => {
    const errors = figures.errors.bf16;
    const model = await load(name, network, { dtype: 'bf16', train: 'all' });
    const logits = await model.logits(batch.tokens, batch.sequenceStarts);
    expect(relativeError(logits, expected.get('logits')!.values)).toBeLessThan(2 * errors.logits);
    const { loss } = await passes(model, batch);
    expect(Math.abs(loss - figures.loss)).toBeLessThan(2 * Math.max(errors.loss, usualLossError));
    await compareGradients(model, below(expected, 'gradient/'), twice(errors), 2 * errors.gradient);
    model.dispose();
  });

  it("errs in bf16 by no more than twice PEFT's own error, an adapter trained", async () => {
    const { rank, alpha, errors } = figures.adapter;
    const model = await load(name, network, { dtype: 'bf16', train: 'adapter' });
    await model.setAdapter(adapterOf(below(expected, 'adapter/'), alpha / rank));
    await passes(model, batch);
    // PEFT takes low-rank terms of bf16 rows in fp32, which an encoder's norm after every sum passes on to single tensors: half as much again there.
    const bound = twice(errors.bf16);
    const single = !network.causal ? (name: string) => 1.5 * bound(name) : bound;
    await compareGradients(model, below(expected, 'adapter_gradient/'), single, 2 * errors.bf16.gradient);
    model.dispose();
  });
}
