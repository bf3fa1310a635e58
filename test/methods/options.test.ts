// Options as the contract has them: defaults, ranges, and messages that speak of the method that was named.
import { describe, expect, it } from 'vitest';
import { METHOD_NAMES, methods } from '../../lib/methods/index.js';
import { resolvePaths } from '../../lib/recipe/paths.js';
import { problemsOf } from '../../lib/recipe/problems.js';
import { type Recipe, recipeSchema } from '../../lib/recipe/schema.js';

/** Straight through the schema of the options, with no files read. */
const read = (method: unknown) => recipeSchema.safeParse({ model: 'm', data: 'x', method });
const messages = (method: unknown) =>
  problemsOf(read(method).error?.issues ?? [], { model: 'm', data: 'x', method }).map(({ message }) => message);
const judge = { rewards: [{ function: 'r.mjs#length' }] };

const DEFAULTS: Record<string, object> = {
  reward: { centering: 0, ranking: 'pairs', normalize: true },
  dpo: { beta: 0.1, loss: 'sigmoid', labelSmoothing: 0, divergence: 'reverseKl', ldAlpha: 1, reference: 'start' },
  kto: { beta: 0.1, desirableWeight: 1, undesirableWeight: 1, kl: 'batch', reference: 'start' },
  orpo: { beta: 0.1, likelihood: 'response' },
  simpo: { beta: 2, gammaRatio: 0.5, sftWeight: 0 },
  cpo: { beta: 0.1, loss: 'sigmoid', labelSmoothing: 0, sftWeight: 1 },
  ppo: {
    samplesPerPrompt: 1,
    maxNewTokens: 64,
    temperature: 1,
    epochs: 4,
    minibatches: 1,
    clip: 0.2,
    valueClip: 0.2,
    valueWeight: 0.1,
    gamma: 1,
    lambda: 0.95,
    kl: { coefficient: 0.05, estimator: 'k1' },
    whitenRewards: false,
    missingStopPenalty: 0,
    value: 'shared',
    reference: 'start',
  },
  grpo: { samplesPerPrompt: 8, clip: 0.2, beta: 0, scaleRewards: 'group', loss: 'dapo', importance: 'token', epochs: 1 },
  rloo: { samplesPerPrompt: 4, beta: 0.05, clip: 0.2, maxNewTokens: 64, temperature: 1 },
  distill: { beta: 1, temperature: 1, topK: 64 },
  mlm: { maskShare: 0.15, span: 1 },
  plm: { maskShare: 0.15, span: 5 },
};
const NEEDED: Record<string, object> = { ppo: judge, grpo: judge, rloo: judge, distill: { teacher: 't' } };

describe('defaults', () => {
  it.each(Object.entries(DEFAULTS))('%s', (name, wanted) => {
    expect(read({ name, ...NEEDED[name] }).data?.method).toMatchObject({ name, ...wanted });
    if (NEEDED[name] === undefined) expect(read(name).data?.method).toEqual(read({ name }).data?.method);
  });

  it('give a reward weight 1 and a function a minute', () => {
    const method = read({ name: 'ppo', rewards: [{ model: 'judge' }, { function: 'r.mjs#length' }] }).data?.method;
    expect(method).toMatchObject({
      rewards: [
        { model: 'judge', weight: 1 },
        { function: 'r.mjs#length', weight: 1, timeoutSeconds: 60 },
      ],
    });
  });
});

describe('messages', () => {
  const cases: [method: unknown, ...words: string[]][] = [
    [{ name: 'dpo', loss: 'sigmiod' }, 'method.loss', '"sigmiod"; did you mean sigmoid?'],
    [{ name: 'dpo', loss: ['sigmoid', 'sfft'] }, 'method.loss.1', '"sfft"; did you mean sft?'],
    [{ name: 'dpo', loss: [] }, 'a list of at least 1, not an empty list'],
    [{ name: 'dpo', loss: ['sigmoid', 'sft'], lossWeights: [1] }, 'lossWeights must have one weight for each of the 2 losses, not 1'],
    [{ name: 'dpo', beta: -0.1 }, 'method.beta must be a number above 0, not -0.1'],
    [{ name: 'dpo', loss: 'exo' }, 'method.labelSmoothing must be above 0', 'exo'],
    [{ name: 'dpo', loss: 'robust', labelSmoothing: 0.5 }, 'method.labelSmoothing must be a number of at least 0 and below 0.5, not 0.5'],
    [{ name: 'dpo', loss: 'hinge', labelSmoothing: 0.1 }, 'has no effect on hinge'],
    [{ name: 'dpo', loss: 'nca', divergence: 'forwardKl' }, 'method.divergence must be reverseKl for the loss nca'],
    [{ name: 'cpo', loss: 'ipo', labelSmoothing: 0.1 }, 'has no effect on ipo'],
    [{ name: 'simpo', gammaRatoi: 0.5 }, 'method.gammaRatoi is not an option of simpo; did you mean gammaRatio?'],
    [
      { name: 'simpo', desirableWeight: 1 },
      'method.desirableWeight is not an option of simpo; known are name, beta, gammaRatio, sftWeight',
    ],
    [{ name: 'kto', desirableWeight: -1 }, 'method.desirableWeight must be a number of at least 0, not -1'],
    ['grpo', 'method.rewards of grpo is missing'],
    [{ name: 'rloo' }, 'method.rewards of rloo is missing'],
    ['distill', 'method.teacher of distill is missing'],
    [{ name: 'ppo', rewards: [] }, 'a list of at least 1, not an empty list'],
    [{ name: 'ppo', rewards: [{ function: 'r.mjs' }] }, 'method.rewards.0.function must be FILE#NAME', '"r.mjs"'],
    [{ name: 'ppo', rewards: [{ functoin: 'r.mjs#a' }] }, '{ model, weight } or { function, weight, timeoutSeconds }, not { functoin }'],
    [{ name: 'ppo', kl: { coeficient: 1 }, ...judge }, 'method.kl.coeficient', 'did you mean coefficient?'],
    [{ name: 'grpo', samplesPerPrompt: 1, ...judge }, 'method.samplesPerPrompt must be a whole number of at least 2, not 1'],
    [{ name: 'grpo', temperature: 0, ...judge }, 'method.temperature must be a number above 0, not 0'],
    [{ name: 'grpo', loss: 'cispo', ...judge }, 'method.clipHigh is missing', 'cispo'],
    [{ name: 'grpo', loss: 'cispo', clipHigh: 0.2, ...judge }, 'method.clipHigh is 0.2', 'above 1'],
    [{ name: 'distill', teacher: 't', beta: 2 }, 'method.beta must be a number of at least 0 and at most 1, not 2'],
    [{ name: 'dpo', divergenceAlpha: 0.3 }, 'method.divergenceAlpha has no effect on reverseKl'],
    [{ name: 'dpo', loss: ['sigmoid', 'sft'], discopopTau: 0.1 }, 'method.discopopTau has no effect on sigmoid, sft'],
    [{ name: 'grpo', reference: 'base', ...judge }, 'method.reference base has no effect with beta 0'],
    [{ name: 'rloo', beta: 0, reference: 'base', ...judge }, 'method.reference base has no effect with beta 0'],
    [{ name: 'ppo', kl: { gain: 0.2 }, ...judge }, 'method.kl.gain has no effect without method.kl.target'],
    ['ktoo', 'did you mean kto?'],
  ];
  it.each(cases)('%j', (method, ...words) => {
    const found = messages(method);
    expect(found).toHaveLength(1);
    for (const word of words) expect(found[0]).toContain(word);
    expect(found[0]!.length).toBeLessThan(400);
  });
});

it('are taken where they have an effect', () => {
  for (const method of [
    { name: 'dpo', divergence: 'alphaDivergence', divergenceAlpha: 0.3 },
    { name: 'dpo', loss: ['discopop', 'sft'], discopopTau: 0.1 },
    { name: 'grpo', beta: 0.1, reference: 'base', ...judge },
    { name: 'rloo', reference: 'base', ...judge },
    { name: 'ppo', kl: { gain: 0.2, target: 0.1 }, ...judge },
  ])
    expect(messages(method)).toEqual([]);
});

it('makes the paths of teachers, references and judges absolute', () => {
  const resolved = (method: object) => resolvePaths(read(method).data as Recipe, '/somewhere').method;
  expect(resolved({ name: 'dpo', reference: 'runs/a' })).toMatchObject({ reference: '/somewhere/runs/a' });
  expect(resolved({ name: 'dpo', reference: 'base' })).toMatchObject({ reference: 'base' });
  expect(resolved({ name: 'distill', teacher: '../big' })).toMatchObject({ teacher: '/big' });
  const rewards = [{ model: 'judge' }, { function: './r.mjs#length' }];
  expect(resolved({ name: 'rloo', rewards })).toMatchObject({
    rewards: [{ model: '/somewhere/judge' }, { function: '/somewhere/r.mjs#length' }],
  });
});

it('has a method for every name, which says what it is', () => {
  expect(Object.keys(methods)).toEqual(METHOD_NAMES);
  for (const [name, method] of Object.entries(methods)) {
    expect(method.name).toBe(name);
    expect(method.summary).toMatch(/^[A-Z].*\.$/);
    expect(method.needs.rows.length).toBeGreaterThan(0);
  }
});
