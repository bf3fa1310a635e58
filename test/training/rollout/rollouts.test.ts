// Methods that learn from their own answers, from recipes: rewards of every kind, the same bytes from the same seed and after a stop, clear faults.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADAPTER, stepsOf, stoppedAt, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe } from '../../support/preferences.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const PROMPTS = Array.from({ length: 8 }, (_, n) => ({ prompt: tinyText(n).slice(0, 10), wanted: 'e' }));
const METHODS = ['ppo', 'grpo', 'rloo'];

/** Rewards with a shape to learn: letters e among the answer's. */
const REWARDS = `
export const letters = async (rows) => rows.map(({ completion, row }) => completion.split(row.wanted).length - 1);
export const equal = () => [];
export const same = (rows) => rows.map(() => 1);
export const lost = (rows) => rows.map(() => Number.NaN);
export const thrown = () => { throw new TypeError('no rewards today'); };
export const stuck = () => { for (;;); };
`;

function recipe(name: string, change: object = {}, more: Record<string, unknown> = {}) {
  const folder = place();
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'rewards.mjs');
  writeFileSync(file, REWARDS);
  const method = { name, rewards: [{ function: `${file}#letters` }], maxNewTokens: 8, samplesPerPrompt: name === 'ppo' ? 1 : 4, ...change };
  const judged = {
    ...method,
    rewards: method.rewards.map((reward) => ({ ...reward, function: reward.function.replace(/^#/, `${file}#`) })),
  };
  const train = { steps: 4, rowsPerStep: 4, learningRate: 5e-3, schedule: 'constant', warmup: 0, seed: 3 };
  return preferenceRecipe(folder, judged, PROMPTS, { adapter: { ...ADAPTER, dropout: 0 }, train, evaluate: null, ...more });
}

const weights = (events: Awaited<ReturnType<typeof trained>>) =>
  readFileSync(join((events.at(-1) as { output: string }).output, 'adapter_model.safetensors'));

it('goes on where the recipe names held-out rows, which a method with rollouts has no use for', async () => {
  const named = recipe('grpo');
  const held = join(place(), 'held.jsonl');
  mkdirSync(dirname(held), { recursive: true });
  writeFileSync(held, '{"prompt":"held out"}\n');
  const cut = { ...named, evaluate: { data: held, every: 1 } } as typeof named;
  await stoppedAt(cut, 2);
  const events = await trained(cut, { resume: true });
  expect(stepsOf(events).map(({ step }) => step)).toEqual([3, 4]);
});

describe.each(METHODS)('%s', (name) => {
  it('tells its figures, and ends in the same bytes from the same seed and after a stop', async () => {
    const whole = recipe(name);
    const events = await trained(whole);
    const steps = stepsOf(events);
    expect(steps).toHaveLength(4);
    expect(steps[0]?.kl ?? 0).toBe(0);
    for (const figure of ['loss', 'gradientNorm', 'reward', 'rewardStd', 'completionLength', 'stoppedShare', 'entropy'])
      for (const step of steps) expect(Number.isFinite(step[figure]), `${figure} of step ${step.step}`).toBe(true);
    expect(weights(await trained({ ...whole, out: place() }))).toEqual(weights(events));
    const cut = { ...whole, out: place() };
    await stoppedAt(cut, 2);
    expect(weights(await trained(cut, { resume: true }))).toEqual(weights(events));
  });

  it.each([
    ['#thrown', { code: 'reward_failed', message: expect.stringContaining('no rewards today') }],
    ['#lost', { code: 'reward_failed', message: expect.stringContaining('NaN') }],
    ['#equal', { code: 'reward_failed', message: expect.stringContaining('0 ') }],
  ])('stops at a function that fails: %s', async (reward, expected) => {
    await expect(trained(recipe(name, { rewards: [{ function: reward }] }))).rejects.toMatchObject(expected);
  });
});

it('ends a reward function that never yields', async () => {
  const stuck = recipe('grpo', { rewards: [{ function: '#stuck', timeoutSeconds: 1 }] });
  await expect(trained(stuck)).rejects.toMatchObject({ code: 'reward_timeout' });
});

it('warns where all rewards are equal for five steps', async () => {
  const train = { steps: 5, rowsPerStep: 4 };
  const events = await trained(recipe('grpo', { rewards: [{ function: '#same' }] }, { train }));
  expect(events.filter(({ event }) => event === 'warning').map((event) => (event as { code: string }).code)).toContain('rewards_equal');
});
