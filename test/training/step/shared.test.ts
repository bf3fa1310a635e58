// Prompts that are computed once for all their answers, from recipes: the same loss and gradient as with every sequence whole, for fewer tokens.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { addon } from '../../../lib/native.js';
import { ADAPTER, stepsOf, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs, tinyRankings } from '../../support/preferences.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
process.env.ATTUNE_CACHE = join(scratch, 'cache');
const place = placesIn(scratch);

const { loadModel } = addon();
afterEach(() => {
  addon().loadModel = loadModel;
});

/** A run's steps, and the tokens that went forward through its models. */
async function run(recipe: Parameters<typeof trained>[0], shares: boolean) {
  let tokens = 0;
  addon().loadModel = async (options) => {
    const model = await loadModel(options);
    expect(model.sharesBeginnings).toBe(true);
    model.sharesBeginnings = shares;
    const forward = model.forward.bind(model);
    const counting: typeof forward = (batch, how) => {
      tokens += batch.tokens.length;
      return forward(batch, how);
    };
    return Object.defineProperty(model, 'forward', { value: counting, configurable: true, writable: true });
  };
  return { steps: stepsOf(await trained(recipe, { out: place() })), tokens };
}

async function compareBoth(recipe: Parameters<typeof trained>[0]) {
  const [one, other] = [await run(recipe, true), await run(recipe, false)];
  expect(one.tokens).toBeLessThan(0.9 * other.tokens);
  expect(one.steps).toHaveLength(other.steps.length);
  for (const [n, wanted] of other.steps.entries()) {
    expect(wanted.computedTokens).toBe(wanted.tokens);
    expect(one.steps[n]?.tokens).toBe(wanted.tokens);
    expect(one.steps[n]?.computedTokens).toBeLessThan(0.9 * wanted.tokens);
    for (const name of ['loss', 'gradientNorm'] as const) {
      const [a, b] = [Number(one.steps[n]?.[name]), Number(wanted[name])];
      expect(Math.abs(a - b), `${name} of step ${n + 1}: ${a} and ${b}`).toBeLessThan(2e-5 * Math.abs(b) + 1e-7);
    }
  }
}

const TRAIN = { learningRate: 5e-3, schedule: 'constant', warmup: 0, rowsPerStep: 4, shuffle: false };
const PAIRS: [string, object, object[]][] = [
  ['reward', { name: 'reward' }, tinyPairs(8)],
  ['reward from rankings', { name: 'reward', ranking: 'plackettLuce' }, tinyRankings(8)],
  ['dpo', { name: 'dpo' }, tinyPairs(8)],
  ['dpo that sorts the whole step', { name: 'dpo', loss: ['aot', 'sft'], lossWeights: [1, 0.1] }, tinyPairs(8)],
  ['orpo over the whole row', { name: 'orpo', likelihood: 'full' }, tinyPairs(8)],
  ['simpo', { name: 'simpo' }, tinyPairs(8)],
  ['cpo from rankings', { name: 'cpo' }, tinyRankings(8)],
];

describe.each(PAIRS)('%s', (_name, method, rows) => {
  it.each([1, 60, 'auto'])('has the same steps with micro-batches of %s tokens', async (microBatchTokens) => {
    const change = { adapter: { ...ADAPTER, dropout: 0 }, train: { ...TRAIN, steps: 2, microBatchTokens } };
    await compareBoth(preferenceRecipe(place(), method, rows, change));
  });
});

it.each([true, false])('tells the tokens of a pass beside those of the rows (a prompt once: %s)', async (shares) => {
  const change = { adapter: { ...ADAPTER, dropout: 0 }, train: { ...TRAIN, steps: 2 } };
  const { steps, tokens } = await run(preferenceRecipe(place(), { name: 'orpo' }, tinyPairs(8), change), shares);
  expect(steps.reduce((sum, step) => sum + step.computedTokens, 0)).toBe(tokens);
  expect(steps.every((step) => step.computedTokens < step.tokens)).toBe(shares);
});

const ROLLOUTS = { samplesPerPrompt: 4, maxNewTokens: 6 };

describe.each([
  ['ppo', { name: 'ppo', ...ROLLOUTS, epochs: 2, minibatches: 2 }],
  ['ppo, values from an adapter of their own', { name: 'ppo', ...ROLLOUTS, value: 'adapter' }],
  ['grpo', { name: 'grpo', ...ROLLOUTS, beta: 0.1 }],
  ['rloo', { name: 'rloo', ...ROLLOUTS }],
])('%s', (_name, method) => {
  it.each([30, 'auto'])('takes the same step over its answers with micro-batches of %s tokens', async (microBatchTokens) => {
    const folder = place();
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'rewards.mjs');
    writeFileSync(file, 'export const length = (rows) => rows.map(({ completion }, n) => completion.length + (n % 3));\n');
    const prompts = Array.from({ length: 4 }, (_, n) => ({ prompt: tinyText(n).slice(0, 14) }));
    const change = { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null, train: { ...TRAIN, steps: 1, microBatchTokens } };
    await compareBoth(preferenceRecipe(folder, { ...method, rewards: [{ function: `${file}#length` }] }, prompts, change));
  });
});
