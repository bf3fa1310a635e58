import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type MethodWork, methodWorker, stepTokens } from '../../bench/methods/work.js';
import { ppoWorker, ROLES } from '../../bench/ppo/work.js';
import { newTokens, rolloutWorker } from '../../bench/rollout/work.js';
import { smollm2 } from '../../bench/shapes.js';
import { beside, figures, type Turns } from '../../bench/sides/turns.js';
import { writeWeights } from '../../bench/weights.js';
import { expectRatio, ROUNDINGS } from '../support/bounds.js';

const network = smollm2({
  ...{ vocab_size: 101, hidden_size: 64, intermediate_size: 96 },
  ...{ num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
});
const folder = mkdtempSync(join(tmpdir(), 'attune-bench-'));
const tensors = writeWeights(join(folder, 'weights.bin'), network);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const work: MethodWork = {
  ...{ network, dtype: 'f32', threads: 1, rank: 4, checkpointing: false },
  ...{ units: 3, members: 2, prompt: 5, answer: 7 },
};

describe('what the benches measure', () => {
  it('is a step of DPO that learns, the same whether prompts are shared and the reference cached', async () => {
    const losses: number[][] = [];
    for (const shared of [true, false])
      for (const reference of ['every step', 'cached'] as const) {
        const worker = await methodWorker(work, tensors, { shared, reference });
        losses.push([(await worker.step()).loss!, (await worker.step()).loss!]);
        worker.native.dispose();
      }
    const [first, second] = losses[0]!;
    // A fresh adapter is zero: policy and reference agree, and a pair costs ln 2.
    expectRatio(first!, Math.log(2), ROUNDINGS, 'first loss');
    expect(second).toBeLessThan(first!);
    for (const other of losses) expectRatio(other[1]!, second!, ROUNDINGS, 'second loss');
    expect(stepTokens(work)).toBe(3 * 2 * 12);
  });

  it('takes pairs without a common prompt, and groups', async () => {
    for (const shape of [
      { prompt: 0, answer: 9 },
      { units: 1, members: 4, prompt: 6, answer: 3 },
    ]) {
      const worker = await methodWorker({ ...work, ...shape }, tensors, { shared: true, reference: 'every step' });
      expectRatio((await worker.step()).loss!, Math.log(2), ROUNDINGS, 'first loss');
      worker.native.dispose();
    }
  });

  it('is as many new tokens as it says', async () => {
    const rollout = { network, dtype: 'f32', threads: 1, prompts: 3, samples: 2, promptLength: 4, newTokens: 5 } as const;
    const worker = await rolloutWorker(rollout, tensors);
    expect(await worker.step()).toEqual({ made: newTokens(rollout) });
    worker.native.dispose();
  });
});

describe('figures of turns', () => {
  const turns = (seconds: number[], peakMiB: number): Turns => ({ ready: {}, took: seconds.map((s) => ({ seconds: s })), peakMiB });

  it('are the middle and the ends, ratios taken round by round', () => {
    const [own, base] = [turns([1, 2, 4], 100), turns([4, 4, 4], 400)];
    expect(figures(own, 8)).toEqual({ tokensPerSecond: 4, slowest: 2, fastest: 8, secondsPerStep: 2, peakMiB: 100 });
    expect(beside(own, base)).toEqual({ median: 2, least: 1, most: 4, memory: 0.25 });
  });
});

it('a PPO step is made of the passes of its roles, together on one base or each on its own', async () => {
  const ppo = { network, dtype: 'f32', threads: 1, rank: 2, prompts: 2, promptLength: 4, newTokens: 5 } as const;
  const weights: number[] = [];
  for (const roles of [[], ...ROLES.map((role) => [role]), [...ROLES]]) {
    const worker = await ppoWorker(ppo, tensors, roles);
    weights.push((await worker.step()).weightsMiB!);
    worker.native.dispose();
  }
  expect(new Set(weights).size).toBe(1);
  expect(weights[0]).toBeGreaterThan(0);
});
