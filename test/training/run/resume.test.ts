import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { superfluous } from '../../../lib/checkpoint/resume.js';
import { ADAPTER, lossesOf, stoppedAt, tinyRecipe, trained } from '../../support/events.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const attune = resolve(import.meta.dirname, '../../../bin/attune.js');

const metrics = (out: string) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'step')
    .map(({ step, loss }) => [step, loss]);

describe.each([
  ['all weights', {}, 'model/model.safetensors'],
  ['an adapter with dropout', { adapter: ADAPTER }, 'adapter/adapter_model.safetensors'],
])('resuming %s', (_what, change, weights) => {
  const settings = {
    ...change,
    evaluate: { fraction: 0.2, every: 4 },
    train: { steps: 9, schedule: 'cosine', checkpointEvery: 3, rowsPerStep: 5 },
  };

  it('ends in the bytes of a run that was never stopped', async () => {
    const recipe = tinyRecipe(place(), settings);
    const whole = { ...recipe, out: place() };
    await trained(whole);
    expect(await stoppedAt(recipe, 2)).toEqual([1, 2]);
    expect(readdirSync(join(recipe.out, 'checkpoints'))).toEqual(['step-000002']);
    expect(await stoppedAt(recipe, 6, { resume: true })).toEqual([3, 4, 5, 6]);
    const events = await trained(recipe, { resume: true });
    expect(events[0]).toMatchObject({ event: 'start', from: 6, steps: 9 });
    expect(readFileSync(join(recipe.out, weights))).toEqual(readFileSync(join(whole.out, weights)));
    expect(metrics(recipe.out)).toEqual(metrics(whole.out));
  });
});

describe('a checkpoint', () => {
  it('is told of as the best evaluation’s, and kept', async () => {
    const settings = { evaluate: { fraction: 0.25, every: 1 }, train: { steps: 8, learningRate: 0.02, schedule: 'constant', warmup: 0 } };
    const recipe = tinyRecipe(place(), settings);
    await trained(recipe);
    const { evaluation } = JSON.parse(readFileSync(join(recipe.out, 'report.json'), 'utf8'));
    const kept = readdirSync(join(recipe.out, 'checkpoints'));
    expect(kept.length).toBeLessThanOrEqual(3);
    if (evaluation.best.step > 0) expect(kept).toContain(`step-${String(evaluation.best.step).padStart(6, '0')}`);
  });

  it('that lost a part while it was deleted is passed over', async () => {
    const recipe = tinyRecipe(place());
    await stoppedAt(recipe, 4);
    mkdirSync(join(recipe.out, 'checkpoints', 'step-000006'));
    mkdirSync(join(recipe.out, 'checkpoints', '.step-000006.partial-1-ab'));
    expect((await trained(recipe, { resume: true }))[0]).toMatchObject({ event: 'start', from: 4 });
    expect(readdirSync(join(recipe.out, 'checkpoints')).sort()).toEqual(['step-000004', 'step-000006']);
    expect(readdirSync(join(recipe.out, 'checkpoints', 'step-000006'))).toContain('state.json');
  });

  it('goes when it is neither new nor the best', () => {
    expect(superfluous([2, 4, 6, 8], [])).toEqual([2, 4]);
    expect(superfluous([2, 4, 6, 8], [2])).toEqual([4]);
    expect(superfluous([], [3])).toEqual([]);
  });

  it('is not resumed with another recipe, other data or another base', async () => {
    const recipe = tinyRecipe(place());
    await stoppedAt(recipe, 3);
    const resume = { resume: true };
    const other = { ...recipe, train: { ...recipe.train, learningRate: 5e-4, seed: 9 } };
    await expect(trained(other as never, resume)).rejects.toMatchObject({
      code: 'recipe_changed',
      kind: 'request',
      message: expect.stringMatching(/(?=[\s\S]*train\.learningRate: was 0\.001, now 0\.0005)(?=[\s\S]*train\.seed: was 1, now 9)/),
    });
    const rows = readFileSync(recipe.data, 'utf8');
    writeFileSync(recipe.data, `${rows}${JSON.stringify({ text: 'one more' })}\n`);
    await expect(trained(recipe, resume)).rejects.toMatchObject({ code: 'data_changed', message: expect.stringContaining('rows.jsonl') });
    writeFileSync(recipe.data, rows);
    const config = join(recipe.model, 'config.json');
    writeFileSync(config, `${readFileSync(config, 'utf8')}\n`);
    await expect(trained(recipe, resume)).rejects.toMatchObject({ code: 'data_changed', message: expect.stringContaining('config.json') });
  });

  it('is not resumed where the adapter that it goes on from has changed, and is where its folder alone was moved', async () => {
    const first = tinyRecipe(place(), { adapter: ADAPTER, train: { steps: 1 } });
    await trained(first);
    const from = join(first.out, 'adapter');
    const recipe = { ...first, out: place(), adapter: { from }, train: { ...first.train, steps: 6 } };
    await stoppedAt(recipe, 3);
    const weights = join(from, 'adapter_model.safetensors');
    const before = readFileSync(weights);
    writeFileSync(weights, Buffer.from(before).fill(0, before.length - 4));
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({
      code: 'data_changed',
      message: expect.stringMatching(/goes on from .* changed .*adapter\.from\/adapter_model\.safetensors/),
    });
    writeFileSync(weights, before);
    const moved = { ...recipe, out: place() };
    renameSync(recipe.out, moved.out);
    expect(lossesOf(await trained(moved, { resume: true }))).toHaveLength(3);
  });

  it('may be resumed with more threads, other checkpoints and another place', async () => {
    const recipe = tinyRecipe(place());
    await stoppedAt(recipe, 3);
    const other = { ...recipe, compute: { dtype: 'f32', threads: 2 }, train: { ...recipe.train, checkpointEvery: 5 } };
    expect(lossesOf(await trained(other as never, { resume: true }))).toHaveLength(3);
  });

  it('is resumed where the pattern of its data would match what it told, and another run warns of the first', async () => {
    const recipe = tinyRecipe(place());
    const above = join(recipe.data, '..');
    const all = { ...recipe, data: join(above, '**/*.jsonl'), out: join(above, 'runs/x') } as typeof recipe;
    await stoppedAt(all, 3);
    expect(lossesOf(await trained(all, { resume: true }))).toHaveLength(3);
    const events = await trained({ ...all, out: join(above, 'runs/y') });
    expect(events.filter(({ event }) => event === 'warning')).toMatchObject([{ code: 'runs_left_out' }]);
    expect(lossesOf(events)).toHaveLength(6);
  });

  it('of a finished run changes nothing when resumed', async () => {
    const recipe = tinyRecipe(place());
    await trained(recipe);
    const before = readFileSync(join(recipe.out, 'metrics.jsonl'));
    expect(await trained(recipe, { resume: true })).toEqual([{ event: 'done', step: 6, output: join(recipe.out, 'model') }]);
    expect(readFileSync(join(recipe.out, 'metrics.jsonl'))).toEqual(before);
  });

  it('of the last step is enough where the output was lost', async () => {
    const recipe = tinyRecipe(place());
    await trained(recipe);
    const weights = join(recipe.out, 'model', 'model.safetensors');
    const before = readFileSync(weights);
    rmSync(join(recipe.out, 'report.json'));
    rmSync(join(recipe.out, 'model'), { recursive: true });
    await trained(recipe, { resume: true });
    expect(readFileSync(weights)).toEqual(before);
  });
});

describe('kill -9', () => {
  it.skipIf(!existsSync(resolve(attune, '../../dist/cli/main.js')))(
    'loses nothing that a checkpoint has (needs the built command line)',
    async () => {
      const recipe = tinyRecipe(place(), { train: { steps: 100, checkpointEvery: 2 } });
      const whole = { ...recipe, out: place() };
      await trained(whole);
      const file = join(recipe.out, '..', 'recipe.json');
      writeFileSync(file, JSON.stringify(recipe));
      for (const last of [5, 30]) {
        const more = last > 5 ? ['--resume'] : [];
        const child = spawn(process.execPath, [attune, 'train', file, '--json', ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
        for await (const line of createInterface(child.stdout)) if (JSON.parse(line).step >= last) child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        expect(child.signalCode).toBe('SIGKILL');
      }
      await trained(recipe, { resume: true });
      expect(metrics(recipe.out)).toEqual(metrics(whole.out));
      expect(readFileSync(join(recipe.out, 'model/model.safetensors'))).toEqual(readFileSync(join(whole.out, 'model/model.safetensors')));
      expect(readdirSync(recipe.out).filter((name) => name.startsWith('.'))).toEqual([]);
    },
  );
});
