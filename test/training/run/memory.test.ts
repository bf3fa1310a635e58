import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { addon, type PlannedMemory } from '../../../lib/native.js';
import { checkMemory, chooseMicroBatch, mostStepTokens } from '../../../lib/training/run/memory.js';
import { addressSpace } from '../../support/address_space.js';
import { ADAPTER, stepsOf, tinyRecipe, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe } from '../../support/preferences.js';
import { scratchFolder } from '../../support/tiny_model.js';
import { family, load } from '../../transformer/fixtures.js';

const scratch = scratchFolder();
const rewards = () => {
  const file = join(scratch, 'rewards.mjs');
  writeFileSync(file, 'export const length = (rows) => rows.map(({ completion }) => completion.length);\n');
  return [{ function: `${file}#length` }];
};
const GIB = 2 ** 30;
/** Four GiB fixed, one MiB a token. */
const plan = (tokens: number) => ({ fixed: 4 * GIB, activations: tokens * 2 ** 20, cache: 0 });
const choose = (change: Partial<Parameters<typeof chooseMicroBatch>[0]> = {}) =>
  chooseMicroBatch({ plan, requested: 'auto', longest: 512, stepTokens: 4096, total: 64 * GIB, ...change });

describe('tokens in flight', () => {
  it('are what the recipe says', () => {
    expect(choose({ requested: 100 })).toBe(100);
  });

  it('are those of a step where they are few, and never fewer than the longest sequence', () => {
    expect(choose({ stepTokens: 700 })).toBe(700);
    expect(choose()).toBe(2048);
    expect(choose({ stepTokens: 100 })).toBe(512);
    expect(choose({ longest: 3000 })).toBe(3000);
  });

  it('are halved until the machine can hold them', () => {
    expect(choose({ total: 7 * GIB })).toBe(1024);
    expect(choose({ total: 6 * GIB })).toBe(512);
    expect(choose({ total: 1 * GIB })).toBe(512);
  });
});

describe('tokens of a step', () => {
  const most = (change: Partial<Parameters<typeof mostStepTokens>[0]>) => mostStepTokens({ longest: 50, growth: 1, ...change });

  it('are those of the recipe, with what is added to its rows, or so many longest rows', () => {
    expect(most({ tokensPerStep: 400 })).toBe(400);
    expect(most({ tokensPerStep: 400, growth: 1.15 })).toBe(460);
    expect(most({ tokensPerStep: 400, answers: { prompts: 30, samples: 4, tokens: 9 } })).toBe(4 * (400 + 30 * 9));
    expect(most({ rowsPerStep: 8 })).toBe(400);
    expect(most({ rowsPerStep: 8, answers: { prompts: 8, samples: 4, tokens: 9 } })).toBe(1600);
  });

  it.each([
    ['plm', { name: 'plm', maskToken: '<unk>', maskShare: 0.5 }],
    ['grpo', { name: 'grpo', samplesPerPrompt: 3, maxNewTokens: 6 }],
  ])('of %s are in flight at once where they are few', async (name, method) => {
    const folder = join(scratch, `few ${name}`);
    mkdirSync(folder, { recursive: true });
    const train = { steps: 3, tokensPerStep: 200 };
    const rows = Array.from({ length: 12 }, (_, n) => ({ prompt: tinyText(n).slice(0, 8 + n) }));
    const recipe =
      name === 'plm' ? tinyRecipe(folder, { method, train }) : preferenceRecipe(folder, { ...method, rewards: rewards() }, rows, { train });
    recipe.train = { ...recipe.train, rowsPerStep: undefined };
    const events = await trained(recipe);
    const [start] = events.flatMap((event) => (event.event === 'start' ? [event] : []));
    const tokens = stepsOf(events).map((step) => step.tokens);
    expect(tokens).toHaveLength(3);
    expect(Math.max(...tokens)).toBeGreaterThan(200);
    expect(start?.microBatchTokens).toBeGreaterThanOrEqual(Math.max(...tokens));
  });
});

describe('a run that does not fit', () => {
  const check = (change: Partial<Parameters<typeof checkMemory>[0]> = {}) =>
    checkMemory({ plan, tokens: 2048, longest: 512, available: 5 * GIB, isBf16: false, isAdapter: false, recomputes: false, ...change });

  it('is refused with need, what there is, and what to change', () => {
    expect(() => check()).toThrow(
      expect.objectContaining({
        code: 'out_of_memory',
        kind: 'work',
        message:
          'training needs about 6.0 GiB (4.0 GiB for weights and optimiser, 2.0 GiB for 2048 tokens in flight), but only 5.0 GiB of memory are ' +
          'available; try train.microBatchTokens below 2048, or train.activationCheckpointing: true, or compute.dtype: bf16, or an adapter in place of all weights, or a smaller model',
      }),
    );
    expect(() => check({ available: 7 * GIB })).not.toThrow();
  });

  it('is given no advice that it follows already', () => {
    expect(() => check({ tokens: 512, available: 4 * GIB, isBf16: true, isAdapter: true, recomputes: true })).toThrow(
      /try train.maxLength below 512, or a smaller model$/,
    );
  });
});

describe('answers that a run writes', () => {
  it.skipIf(process.platform !== 'linux')('are planned with the keys and values that a rollout comes to hold', async () => {
    const { network } = family('llama');
    const options = { dtype: 'f32', threads: 1, train: 'none', recomputeActivations: false } as const;
    const model = await load('llama', network, options);
    const prompts = Array.from({ length: 5 }, () => Int32Array.from({ length: 40 }, (_, i) => 1 + (i % 20)));
    const [samples, maxNewTokens] = [7, 4000];
    const shape = { prompts: 5, samples, longestPrompt: 40, maxNewTokens };
    const plan = (rollout?: typeof shape) =>
      addon().planMemory({ config: network, ...options, tokens: 1, rank: 0, ...(rollout && { rollout }) });
    const before = addressSpace();
    const rollout = model.startRollout({ prompts, samples, maxNewTokens });
    await rollout.advance(0); // reserves what the answers will need
    const held = addressSpace() - before;
    const { cache, activations } = plan(shape);
    expect(cache).toBeGreaterThan(30 * 2 ** 20);
    expect(Math.abs(held / cache - 1), `${held} held, ${cache} planned`).toBeLessThan(0.1);
    expect(plan().cache).toBe(0);
    expect(activations).toBeGreaterThan(plan().activations);
    rollout.dispose();
    model.dispose();
  });

  it('has one page more than the longest of 64 answers fill, or than those of one prompt', () => {
    const { network } = family('llama');
    const plan = (prompts: number, samples: number, longestPrompt: number, maxNewTokens: number) =>
      addon().planMemory({
        ...{ config: network, dtype: 'bf16', threads: 1, train: 'none', recomputeActivations: false, tokens: 1, rank: 0 },
        rollout: { prompts, samples, longestPrompt, maxNewTokens },
      }).cache;
    const { layers, kvHeads, headSize, vocabulary } = network;
    const padded = 64 * Math.ceil(headSize / 64);
    const of = (answers: number, pages: number) => answers * (pages * 2 * layers * kvHeads * 32 * padded * 2 + 4 * vocabulary);
    expect(plan(3, 4, 10, 22)).toBe(of(12, 2));
    expect(plan(30, 4, 10, 23)).toBe(of(64, 3));
    expect(plan(1, 100, 1, 1)).toBe(of(100, 2));
  });

  afterEach(() => vi.restoreAllMocks());

  it.each([
    ['ppo', 'training needs about'],
    ['grpo', 'training needs about'],
    ['rloo', 'training needs about'],
    ['sample', 'sampling needs about'],
  ])('count where %s has too little memory', async (name, message) => {
    const folder = join(scratch, name);
    mkdirSync(folder, { recursive: true });
    const method = { name, rewards: rewards(), samplesPerPrompt: 2, maxNewTokens: 40 };
    const recipe = preferenceRecipe(folder, method, [{ prompt: 'light ' }, { prompt: 'water ' }], {
      adapter: { ...ADAPTER, dropout: 0 },
      train: { steps: 1, rowsPerStep: 2 },
    });
    const plans: PlannedMemory[] = [];
    const planMemory = addon().planMemory;
    const seen = vi.spyOn(addon(), 'planMemory').mockImplementation((request) => {
      plans.push(planMemory(request));
      return plans.at(-1)!;
    });
    await trained(recipe);
    seen.mockRestore();
    const { fixed, activations, cache } = plans.find((one) => one.cache > 0)!;
    const available = vi.spyOn(process, 'availableMemory').mockReturnValue(fixed + activations + cache / 2);
    const refused = { code: 'out_of_memory', message: expect.stringMatching(`^${message}.*keys and values.*method.maxNewTokens below 40`) };
    await expect(trained({ ...recipe, out: join(folder, 'other') })).rejects.toMatchObject(refused);
    available.mockReturnValue(fixed + activations + cache);
    await trained({ ...recipe, out: join(folder, 'other') });
  });
});
