/** Random calls of a model, in any order, awaited or not: each ends in a result or in one of attune's errors, and the process lives. */
import { describe, expect, it } from 'vitest';
import { type ModelOptions, withTypedErrors } from '../../lib/native.js';
import { batchOf, family, load } from '../transformer/fixtures.js';
import { nextCall, type Play } from './model_calls.js';
import type { Random } from './random.js';
import { fault, inputs, PATIENCE, trial } from './trial.js';

const FAMILIES = ['llama', 'qwen3', 'qwen2_window'].map(family);

/** Whether every number in a result is one. */
function finite(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (value === null || typeof value !== 'object') return true;
  return ArrayBuffer.isView(value) ? (value as Float32Array).every(Number.isFinite) : Object.values(value).every(finite);
}

/** Calls that were answered and refused; what was wrong with one ends the sequence. */
interface Tally {
  answered: number;
  refused: Record<string, number>;
}

async function settle(call: () => unknown, wild: boolean, tally: Tally): Promise<void> {
  try {
    const value = await call();
    tally.answered++;
    // A model of finite weights that was given finite numbers has no reason for another.
    if (!wild && !finite(value)) throw new Error('a number that is not finite came of finite ones');
  } catch (error) {
    const wrong = fault(error);
    if (wrong) throw new Error(wrong, { cause: error });
    const { code } = error as { code: string };
    tally.refused[code] = (tally.refused[code] ?? 0) + 1;
  }
}

async function sequence(r: Random, tally: Tally): Promise<void> {
  const { name, network, ids, trained } = r.pick(FAMILIES);
  const setting: Partial<ModelOptions> = { train: r.pick(['none', 'adapter', 'all']), dtype: r.pick(['f32', 'bf16']) };
  const model = withTypedErrors(await load(name, network, { ...setting, threads: r.pick([1, 2, 3]), recomputeActivations: r.chance(0.3) }));
  const passed = { targets: 0, scores: 0, candidates: 0, entropy: false, mean: false };
  const play: Play = { model, network, r, wild: r.chance(0.6), generations: [], rollouts: [], passed };
  const running: Promise<void>[] = [];
  try {
    const calls = 3 + r.below(25);
    for (let index = 0; index < calls; index++) {
      const one = settle(() => nextCall(play, index), play.wild, tally);
      one.catch(() => {}); // awaited below, with the others
      running.push(one);
      if (r.chance(0.5)) await one;
    }
    await Promise.all(running);
    if (!play.wild) await settle(() => model.forward(batchOf(ids, trained)), false, tally);
  } finally {
    await Promise.allSettled(running);
    model.dispose();
  }
}

describe('random calls of a model', () => {
  it('are answered or refused, in whatever order', { timeout: PATIENCE }, async () => {
    const tally: Tally = { answered: 0, refused: {} };
    const count = inputs(60);
    await trial('model', count, (r) => () => sequence(r, tally));
    if (process.env.ATTUNE_FUZZ_INPUTS) process.stderr.write(`calls ${JSON.stringify(tally)}\n`);
    if (count < 60) return;
    expect(tally.answered).toBeGreaterThan(count);
    expect(tally.refused.model_arguments).toBeGreaterThan(count);
  });
});
