// A step of each method with rollouts, from recorded answers to new weights, equals a plain program in double precision (test/reference/rollout_update.py).
import { resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { below, FIXTURES, hasModel, sum, tensors } from '../../transformer/fixtures.js';
import { type Case, recorded, takeRecorded } from './recorded.js';

const gradients = tensors(resolve(FIXTURES, 'rollout_update/expected.safetensors'));
/** Of single precision on its way through four updates; the largest seen is 1e-5, a loss. */
const BOUND = 3e-5;
afterEach(() => vi.restoreAllMocks());

/** Largest difference, by the largest figure. */
function far(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length);
  const largest = Math.max(...Array.from(wanted, Math.abs));
  return Math.max(...Array.from(wanted, (value, n) => Math.abs((found[n] as number) - value))) / largest;
}
const norm = (values: Iterable<ArrayLike<number>>) => Math.sqrt(sum([...values].map((one) => sum(Array.from(one, (x) => x * x)))));

/** Mean loss of the updates: ppo's are means over tokens, the others' with several updates over answers, of which every update has as many. */
function stepLoss({ method, updates }: Case): number {
  const sizes = updates.map(({ ratio }) => (method.name === 'ppo' ? ratio.length : 1));
  return sum(updates.map(({ loss }, n) => loss * sizes[n]!)) / sum(sizes);
}

async function compare(one: Case, name: string, microBatchTokens: number, shares: boolean) {
  const { event, updates, advantage } = await takeRecorded(one, microBatchTokens, shares);
  expect(far(advantage, one.advantage), 'advantages').toBeLessThan(BOUND);
  expect(updates).toHaveLength(one.updates.length);
  for (const [n, wanted] of one.updates.entries()) {
    const found = updates[n]!;
    const close = (what: string, distance: number) => expect(distance, `${what} of update ${n + 1}`).toBeLessThan(BOUND);
    close('loss', Math.abs(found.loss - wanted.loss) / (1 + Math.abs(wanted.loss)));
    close('gradient norm', Math.abs(norm(found.gradient.values()) / wanted.gradientNorm - 1));
    close('ratios', far(found.ratio.toSorted(), wanted.ratio.toSorted()));
    close('log-probabilities after', far(found.logprob, wanted.logprob));
    if (wanted.value) close('values after', far(found.value!, wanted.value));
  }
  const [last, wanted] = [updates.at(-1)!.gradient, below(gradients, `${name}/`)];
  expect([...last.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [tensor, { values }] of wanted) expect(far(last.get(tensor)!, values), `gradient of ${tensor}`).toBeLessThan(1e-4);
  expect(Math.abs(event.loss - stepLoss(one))).toBeLessThan(BOUND);
}

describe.skipIf(!hasModel).each(Object.entries(recorded.cases))('a step of %s', (name, one) => {
  it('moves as recorded, prompts computed once', () => compare(one, name, 1000, true));
  it('moves as recorded, every sequence whole', () => compare(one, name, 1000, false));
  it('moves as recorded in several passes', () => compare(one, name, 24, true));
});

it('is compared where it counts: ratios leave their bounds in some update of every method', () => {
  const leaves = (one: Case) => one.updates.some(({ ratio }) => ratio.some((r) => Math.abs(r - 1) > 0.2));
  const methods = Object.values(recorded.cases)
    .filter(leaves)
    .map(({ method }) => method.name);
  expect(new Set(methods)).toEqual(new Set(['ppo', 'grpo', 'rloo']));
});
