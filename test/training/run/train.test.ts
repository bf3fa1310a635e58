import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelFolder } from '../../../lib/checkpoint/model_folder.js';
import { readTensor } from '../../../lib/checkpoint/safetensors.js';
import { evaluate } from '../../../lib/evaluation/index.js';
import { readRecipe } from '../../../lib/recipe/index.js';
import { train } from '../../../lib/training/run/train.js';
import { expectRatio, ROUNDINGS } from '../../support/bounds.js';
import { ADAPTER, evaluationsOf, lossesOf, stepsOf, tinyRecipe, tinyText, trained } from '../../support/events.js';
import { placesIn, scratchFolder, TINY_CONFIG, tinyTensors, writeWeights } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const recipeOf = (change: Record<string, unknown> = {}, more = {}) => tinyRecipe(place(), change, more);
const json = (...parts: string[]) => JSON.parse(readFileSync(join(...parts), 'utf8'));

describe.each([
  ['all weights', undefined, 'model'],
  ['an adapter', ADAPTER, 'adapter'],
])('training %s', (_what, adapter, output) => {
  const change = adapter === undefined ? {} : { adapter };

  it('tells its steps, writes its folder and learns', async () => {
    const recipe = recipeOf({ ...change, train: { steps: 12, learningRate: 5e-3, schedule: 'linear', warmup: 2 } });
    const events = await trained(recipe);
    expect(events.map(({ event }) => event)).toEqual([
      'start',
      ...Array.from({ length: 6 }, () => ['step', 'step', 'checkpoint']).flat(),
      'done',
    ]);
    expect(stepsOf(events).map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
    const losses = lossesOf(events);
    expect(losses.at(-1)).toBeLessThan(losses[0] as number);
    for (const { tokens, trainedTokens, gradientNorm, tokensPerSecond, memoryMiB, learningRate } of stepsOf(events)) {
      expect(trainedTokens).toBe(tokens - 4);
      for (const figure of [gradientNorm, tokensPerSecond, memoryMiB, learningRate]) expect(figure).toBeGreaterThan(0);
    }
    expect(events.at(-1)).toEqual({ event: 'done', step: 12, output: join(recipe.out, output) });
    expect(readdirSync(recipe.out).sort()).toEqual(
      ['checkpoints', 'manifest.json', 'metrics.jsonl', output, 'recipe.yaml', 'report.json'].sort(),
    );
    expect(readdirSync(join(recipe.out, 'checkpoints')).sort()).toEqual(['step-000010', 'step-000012']);
    const written = readFileSync(join(recipe.out, 'metrics.jsonl'), 'utf8').trim().split('\n');
    expect(written.map((line) => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(events)));
  });

  it('runs again from its own recipe to the same losses', async () => {
    const recipe = recipeOf(change);
    const events = await trained(recipe);
    expect(lossesOf(await trained(join(recipe.out, 'recipe.yaml'), { out: place() }))).toEqual(lossesOf(events));
  });

  it('gives the same loss and norm however a step is cut', async () => {
    const folder = place();
    const runs = [];
    for (const microBatchTokens of [1, 64, 'auto'])
      runs.push(
        stepsOf(
          await trained(tinyRecipe(folder, { ...change, train: { microBatchTokens, steps: 3, checkpointEvery: 9 } }), { out: place() }),
        ),
      );
    for (const other of runs.slice(1))
      for (const [n, { loss, gradientNorm }] of other.entries()) {
        expectRatio(loss, runs[0]![n]!.loss, ROUNDINGS, `loss of step ${n + 1}`);
        expectRatio(gradientNorm, runs[0]![n]!.gradientNorm, ROUNDINGS, `norm of step ${n + 1}`);
      }
  });

  it('ends in what evaluate measures', async () => {
    const recipe = recipeOf({ ...change, evaluate: { fraction: 0.2, every: 3 } });
    const events = await trained(recipe);
    const evaluations = evaluationsOf(events);
    expect(evaluations.map(({ step }) => step)).toEqual([0, 3, 6]);
    const { heldOut } = events[0] as { heldOut: number };
    expect(heldOut).toBeGreaterThan(0);
    const out = join(recipe.out, output);
    const again = place();
    mkdirSync(again);
    const model = adapter === undefined ? { model: out } : { model: recipe.model, adapter: out };
    const all = await evaluate({ ...model, data: recipe.data, dtype: 'f32' });
    expect(Number.isFinite(all.nll)).toBe(true);
    expect(json(recipe.out, 'report.json').evaluation).toMatchObject({
      first: { step: 0 },
      last: { step: 6 },
      best: { step: expect.any(Number) },
    });
  });
});

describe('a run', () => {
  it('has its divisor over the whole step: its loss is the mean over all trained tokens', async () => {
    const recipe = recipeOf({ train: { steps: 1, shuffle: false, microBatchTokens: 1 } });
    const rows = place();
    mkdirSync(rows);
    const first = join(rows, 'first.jsonl');
    writeFileSync(first, [0, 1, 2, 3].map((n) => `${JSON.stringify({ text: `${tinyText(n)}</s>` })}\n`).join(''));
    const [event] = stepsOf(await trained(recipe));
    const { nll, tokens } = await evaluate({ model: recipe.model, data: first, dtype: 'f32' });
    expect(event?.trainedTokens).toBe(tokens);
    expectRatio(event!.loss, nll, ROUNDINGS, 'loss');
  });

  it('writes out every default, and what it was made of', async () => {
    const recipe = recipeOf();
    await trained(recipe);
    expect(readRecipe(join(recipe.out, 'recipe.yaml')).recipe.train).toMatchObject({ clip: 1, weightDecay: 0, maxLength: 64 });
    const manifest = json(recipe.out, 'manifest.json');
    expect(Object.keys(manifest.model.sha256).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(manifest.data).toMatchObject({
      rows: { in: 24, kept: 24, dropped: {} },
      sha256: { [recipe.data]: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(json(recipe.out, 'report.json')).toMatchObject({
      steps: 6,
      output: join(recipe.out, 'model'),
      loss: { first: expect.any(Number) },
    });
  });

  it('trains all weights in f32 into a folder that opens, config.json as the base’s', async () => {
    const recipe = recipeOf({}, { model: { attention_bias: true, torch_dtype: 'bfloat16' } });
    await trained(recipe);
    const model = await openModelFolder(join(recipe.out, 'model'));
    const base = await openModelFolder(recipe.model);
    expect(model.configJson).toEqual({ ...base.configJson, torch_dtype: 'float32' });
    const bias = model.tensors.find(({ name }) => name.endsWith('1.self_attn.v_proj.bias'));
    const before = base.tensors.find(({ name }) => name === bias?.name);
    expect(await readTensor(bias as never)).not.toEqual(await readTensor(before as never));
  });

  it('stops early and gives out the best', async () => {
    // Falls of less than a nat are not better: the first steps count, the later ones do not.
    const train = {
      steps: 60,
      learningRate: 0.02,
      schedule: 'constant',
      warmup: 0,
      checkpointEvery: 100,
      earlyStopping: { patience: 2, minimum: 1 },
    };
    const recipe = recipeOf({ train, evaluate: { fraction: 0.25, every: 2 } });
    const events = await trained(recipe);
    const figures = evaluationsOf(events).map(({ step, nll }) => ({ step, nll: nll as number }));
    const better = figures.reduce((best, one) => (one.nll < best.nll - 1 ? one : best));
    const lowest = figures.reduce((best, one) => (one.nll < best.nll ? one : best));
    const { evaluation, weights } = json(recipe.out, 'report.json');
    expect(better.step).toBeGreaterThan(0);
    expect(evaluation).toMatchObject({ best: lowest, last: { step: better.step + 4 } });
    expect(events.at(-1)).toMatchObject({ event: 'done', step: better.step + 4, weights: { step: lowest.step } });
    expect(weights.step).toBe(lowest.step);
    const kept = (step: number) => join(recipe.out, 'checkpoints', `step-${String(step).padStart(6, '0')}`, 'model.safetensors');
    expect(readFileSync(join(recipe.out, 'model', 'model.safetensors'))).toEqual(readFileSync(kept(lowest.step)));
  });

  it('goes on from an adapter that it is given', async () => {
    const recipe = recipeOf({ adapter: ADAPTER });
    const first = await trained(recipe);
    const from = { ...recipe, adapter: { from: join(recipe.out, 'adapter') }, out: place() };
    const second = await trained(from as never);
    expect(lossesOf(second)[0]).toBeLessThan(lossesOf(first)[0] as number);
    expect(json(from.out, 'adapter', 'adapter_config.json')).toMatchObject({ r: 4, lora_alpha: 8, lora_dropout: 0, peft_type: 'LORA' });
  });

  it('leaves nothing behind when it fails before its first step', async () => {
    const cases: [Record<string, unknown>, { code: string; kind: string }][] = [
      [{ data: join(scratch, 'none.jsonl') }, { code: expect.any(String), kind: 'data' }],
      [{ train: { maxLength: 10_000 } }, { code: 'beyond_context', kind: 'request' }],
      [{ adapter: { targets: ['layers.7.mlp.up_proj'] } }, { code: 'adapter_target', kind: 'request' }],
      [{ compute: { device: 'cuda:0' } }, { code: 'device_unavailable', kind: 'request' }],
      [{ adapter: { from: join(scratch, 'no-adapter') } }, { code: 'missing_adapter', kind: 'data' }],
      [{ out: undefined }, { code: 'missing_out', kind: 'request' }],
      [{ model: join(scratch, 'no-model') }, { code: 'missing_model', kind: 'data' }],
    ];
    for (const [change, expected] of cases) {
      const folder = place();
      const recipe = tinyRecipe(folder, change);
      await expect(trained(recipe)).rejects.toMatchObject(expected);
      expect(existsSync(join(folder, 'out'))).toBe(false);
    }
  });

  it('is refused before its first step where it cannot fit the memory', async () => {
    const recipe = recipeOf({ train: { rowsPerStep: 1_000_000, microBatchTokens: 60_000_000 } });
    await expect(trained(recipe)).rejects.toMatchObject({
      code: 'out_of_memory',
      kind: 'work',
      message: expect.stringMatching(/needs about .* GiB .* only .* GiB .* try train\.microBatchTokens below/),
    });
    expect(existsSync(recipe.out)).toBe(false);
  });

  it('refuses a folder that is there', async () => {
    const recipe = recipeOf();
    mkdirSync(recipe.out);
    await expect(trained(recipe)).rejects.toMatchObject({ code: 'output_exists', kind: 'request' });
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({ code: 'nothing_to_resume', kind: 'request' });
    expect(readdirSync(recipe.out)).toEqual([]);
  });

  it('stops at a loss that is no number, names step and rows, and keeps the last good checkpoint', async () => {
    const recipe = recipeOf({ train: { steps: 30, learningRate: 1e25, schedule: 'constant', warmup: 0, clip: 0, checkpointEvery: 1 } });
    await expect(trained(recipe)).rejects.toMatchObject({
      code: 'loss_not_finite',
      kind: 'work',
      message: expect.stringMatching(/at step \d+, in .*rows\.jsonl:\d+/),
    });
    expect(readdirSync(join(recipe.out, 'checkpoints')).length).toBeGreaterThan(0);
    expect(existsSync(join(recipe.out, 'model'))).toBe(false);
  });

  it('says which tensor holds a number that is none', async () => {
    const recipe = recipeOf();
    const tensors = tinyTensors(TINY_CONFIG);
    new Float32Array(tensors[4]?.bytes.buffer as ArrayBuffer)[7] = Number.NaN;
    writeWeights(recipe.model, tensors);
    await expect(trained(recipe)).rejects.toMatchObject({ kind: 'data', message: expect.stringContaining(tensors[4]?.name as string) });
    expect(existsSync(recipe.out)).toBe(false);
  });

  it('lets go when its reader does', async () => {
    const recipe = recipeOf();
    for await (const event of train(recipe)) if (event.event === 'step') break;
    expect(existsSync(join(recipe.out, 'model'))).toBe(false);
  });

  it('does not mind another beside it', async () => {
    const [one, two] = [recipeOf(), recipeOf({ train: { seed: 2 } })];
    const alone = lossesOf(await trained(one, { out: place() }));
    const [first, second] = await Promise.all([trained(one), trained(two)]);
    expect(lossesOf(first)).toEqual(alone);
    expect(lossesOf(second)).not.toEqual(alone);
  });
});
