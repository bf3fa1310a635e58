// Rollouts beyond the defaults: value heads, all weights, references, temperatures, stop texts; each ends in the same bytes after a stop.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADAPTER, stepsOf, stoppedAt, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe } from '../../support/preferences.js';
import { placesIn, scratchFolder, writeTinyModel } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const PROMPTS = Array.from({ length: 6 }, (_, n) => ({ prompt: tinyText(n).slice(0, 10) }));
const PPO = { name: 'ppo', samplesPerPrompt: 2, maxNewTokens: 6, epochs: 2, minibatches: 2 };
const GRPO = { name: 'grpo', samplesPerPrompt: 3, maxNewTokens: 6, beta: 0.1 };

function recipe(method: object, change: Record<string, unknown> = {}) {
  const folder = place();
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'rewards.mjs');
  writeFileSync(
    file,
    'export const sum = (rows) => rows.map(({ completion }) => Array.from(completion, (c) => c.charCodeAt(0)).reduce((a, b) => a + b, 0) % 7);\n',
  );
  const whole = { rewards: [{ function: `${file}#sum` }], ...method };
  const steps = { steps: 4, rowsPerStep: 3, learningRate: 5e-3, schedule: 'constant', warmup: 0, checkpointEvery: 2 };
  return preferenceRecipe(folder, whole, PROMPTS, { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null, train: steps, ...change });
}

const bytes = (out: string) => {
  const folder = readdirSync(out).includes('adapter') ? 'adapter' : 'model';
  return readFileSync(join(out, folder, folder === 'adapter' ? 'adapter_model.safetensors' : 'model.safetensors'));
};

describe.each([
  ['a value head on an adapter of its own', { ...PPO, value: 'adapter' }, {}],
  ['a coefficient that follows a target', { ...PPO, kl: { coefficient: 0.1, target: 0.01 } }, {}],
  ['all weights and a value head on them', PPO, { adapter: null }],
  ['all weights and a frozen reference beside them', GRPO, { adapter: null }],
  ['a temperature, and answers used again', { ...GRPO, temperature: 0.7, epochs: 2 }, {}],
])('%s', (_what, method, change) => {
  it('starts at a KL of 0 and ends in the same bytes after a stop', async () => {
    const whole = recipe(method, change);
    const steps = stepsOf(await trained(whole));
    expect(Math.abs(steps[0]?.kl as number)).toBeLessThan(1e-6);
    expect(Math.abs(steps.at(-1)?.kl as number)).toBeGreaterThan(1e-6);
    const cut = { ...whole, out: place() };
    await stoppedAt(cut, 3);
    const again = stepsOf(await trained(cut, { resume: true }));
    expect(again.map(({ step, loss, kl }) => [step, loss, kl])).toEqual(steps.slice(3).map(({ step, loss, kl }) => [step, loss, kl]));
    expect(bytes(cut.out)).toEqual(bytes(whole.out));
  });

  it('gives nearly the same step however it is cut', async () => {
    const whole = recipe(method, change);
    const one = { ...(whole as object), train: { ...(whole as { train: object }).train, steps: 1 } } as typeof whole;
    const small = { ...one, out: place(), train: { ...(one as { train: object }).train, microBatchTokens: 20 } } as typeof whole;
    const [first, second] = [stepsOf(await trained(one))[0], stepsOf(await trained(small))[0]];
    for (const name of ['reward', 'entropy', 'gradientNorm', 'completionLength'])
      expect((second?.[name] as number) / (first?.[name] as number), name).toBeCloseTo(1, 3);
  });
});

it('measures the KL against a folder, an adapter’s or a model’s', async () => {
  const first = recipe(GRPO);
  const { output } = (await trained(first)).at(-1) as { output: string };
  const near = stepsOf(await trained(recipe({ ...GRPO, reference: output }, { model: first.model, adapter: { from: output } })));
  expect(near[0]?.kl).toBe(0);
  const far = stepsOf(await trained(recipe({ ...GRPO, reference: output }, { model: first.model })));
  expect(far[0]?.kl).toBeGreaterThan(0);
  const other = writeTinyModel(join(place(), 'other'), { seed: 7 });
  expect(stepsOf(await trained(recipe({ ...GRPO, reference: other })))[0]?.kl).toBeGreaterThan(0.01);
});

it('does not train a head that a reward model brought, nor keep a value head in what it makes', async () => {
  const pairs = [{ prompt: 'cells', chosen: ' divide', rejected: ' fall' }];
  const judge = preferenceRecipe(place(), { name: 'reward' }, pairs, { adapter: ADAPTER, train: { steps: 1, rowsPerStep: 1 } });
  const { output: from } = (await trained(judge)).at(-1) as { output: string };
  const { output } = (await trained(recipe(PPO, { model: judge.model, adapter: { from } }))).at(-1) as { output: string };
  expect(JSON.parse(readFileSync(join(output, 'adapter_config.json'), 'utf8'))).toMatchObject({
    task_type: 'CAUSAL_LM',
    modules_to_save: null,
  });
});

it('refuses what cannot be trained before anything is written', async () => {
  const refused = [
    [recipe({ ...PPO, value: 'adapter' }, { adapter: null }), 'method.value'],
    [recipe({ ...PPO, maxNewTokens: 250 }), 'method.maxNewTokens 250'],
  ] as const;
  for (const [one, words] of refused) {
    await expect(trained(one)).rejects.toMatchObject({ kind: 'request', message: expect.stringContaining(words) });
    expect(() => readdirSync(one.out)).toThrow();
  }
});
