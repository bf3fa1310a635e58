// Runs that were cut where little is on the disk, and runs whose folder cannot be read.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StagedInput } from '../../../lib/recipe/index.js';
import { train } from '../../../lib/training/run/train.js';
import { ADAPTER, lossesOf, stoppedAt, stoppedWhen, tinyRecipe, trained } from '../../support/events.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const text = (...path: string[]) => readFileSync(join(...path), 'utf8');
const told = (out: string) =>
  text(out, 'metrics.jsonl')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ tokensPerSecond: _, memoryMiB: __, path: ___, output: ____, ...event }) => event);

/** As a kill leaves a run before its first checkpoint. */
async function cut(recipe: ReturnType<typeof tinyRecipe>): Promise<void> {
  await stoppedAt(recipe, 1);
  rmSync(join(recipe.out, 'checkpoints'), { recursive: true });
}

describe('a run that was cut before its first checkpoint', () => {
  it('begins anew, says so, and ends in the bytes of one that was not', async () => {
    const recipe = tinyRecipe(place(), { evaluate: { fraction: 0.2, every: 2 } });
    const whole = { ...recipe, out: place() };
    await trained(whole);
    await cut(recipe);
    const events = await trained(recipe, { resume: true });
    expect(events[0]).toMatchObject({ event: 'warning', code: 'begun_anew', message: expect.stringContaining(recipe.out) });
    expect(events[1]).toMatchObject({ event: 'start', from: 0 });
    expect(told(recipe.out)).toEqual(told(whole.out));
    expect(readFileSync(join(recipe.out, 'model/model.safetensors'))).toEqual(readFileSync(join(whole.out, 'model/model.safetensors')));
  });

  it('does not begin anew with another recipe or other rows', async () => {
    const recipe = tinyRecipe(place());
    await cut(recipe);
    const other = { ...recipe, train: { ...recipe.train, seed: 3 } } as typeof recipe;
    await expect(trained(other, { resume: true })).rejects.toMatchObject({ code: 'recipe_changed' });
    appendFileSync(recipe.data, '{"text":"more"}\n');
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({ code: 'data_changed' });
    expect(told(recipe.out).some(({ event }) => event === 'step')).toBe(true);
  });

  it('is told from one that ended and lost its checkpoints, and from a folder of something else', async () => {
    const recipe = tinyRecipe(place());
    await trained(recipe);
    rmSync(join(recipe.out, 'checkpoints'), { recursive: true });
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({
      code: 'nothing_to_resume',
      message: expect.stringContaining('has ended'),
    });
    const other = place();
    mkdirSync(other);
    writeFileSync(join(other, 'notes.txt'), 'mine');
    await expect(trained(recipe, { out: other, resume: true })).rejects.toMatchObject({ code: 'nothing_to_resume' });
    expect(readdirSync(other)).toEqual(['notes.txt']);
  });
});

describe('what cannot be read is not taken for nothing', () => {
  it.each<[string, (out: string) => void]>([
    [
      'checkpoints',
      (out) => {
        renameSync(join(out, 'checkpoints'), join(out, 'aside'));
        symlinkSync('checkpoints', join(out, 'checkpoints'));
      },
    ],
    [
      'metrics.jsonl',
      (out) => {
        renameSync(join(out, 'metrics.jsonl'), join(out, 'aside'));
        mkdirSync(join(out, 'metrics.jsonl'));
      },
    ],
  ])('%s of a run', async (_what, harm) => {
    const recipe = tinyRecipe(place());
    await stoppedAt(recipe, 3);
    harm(recipe.out);
    const before = readdirSync(recipe.out).sort();
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({ code: 'read_failed', kind: 'work' });
    expect(readdirSync(recipe.out).sort()).toEqual(before);
  });

  it('checkpoints of a stage, whose folder stays', async () => {
    const { method: _, ...outside } = tinyRecipe(place(), { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null });
    const recipe = { ...outside, stages: [{ method: 'pretrain' }] } as unknown as StagedInput & { out: string };
    await stoppedWhen(recipe, (event) => event.event === 'step' && event.step === 3);
    const stage = join(recipe.out, '1-pretrain');
    renameSync(join(stage, 'checkpoints'), join(stage, 'aside'));
    symlinkSync('checkpoints', join(stage, 'checkpoints'));
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({ code: 'read_failed' });
    expect(readdirSync(join(stage, 'aside'))).toContain('step-000003');
    expect(existsSync(join(stage, 'metrics.jsonl'))).toBe(true);
  });
});

describe('an event that a kill came before', () => {
  it('of a checkpoint is told by the run that goes on', async () => {
    const recipe = tinyRecipe(place());
    const whole = { ...recipe, out: place() };
    await trained(whole);
    await stoppedAt(recipe, 4);
    const lines = text(recipe.out, 'metrics.jsonl').trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ event: 'checkpoint', step: 4 });
    writeFileSync(join(recipe.out, 'metrics.jsonl'), `${lines.slice(0, -1).join('\n')}\n`);
    await trained(recipe, { resume: true });
    expect(told(recipe.out)).toEqual(told(whole.out));
  });

  it('of the end is told when the run is resumed, once', async () => {
    const recipe = tinyRecipe(place());
    await trained(recipe);
    const whole = text(recipe.out, 'metrics.jsonl');
    writeFileSync(join(recipe.out, 'metrics.jsonl'), whole.slice(0, whole.lastIndexOf('{"event":"done"') + 9));
    for (const _ of [1, 2]) {
      await trained(recipe, { resume: true });
      expect(text(recipe.out, 'metrics.jsonl')).toBe(whole);
    }
  });

  it('of a part of sampled answers stands once in the run that goes on', async () => {
    const recipe = sampling();
    const whole = { ...recipe, out: place() };
    await trained(whole);
    for await (const event of train(recipe)) if (event.event === 'sampled' && event.prompts === 16) break;
    const parts = text(recipe.out, 'parts.jsonl').trimEnd().split('\n');
    expect(parts).toHaveLength(1);
    writeFileSync(join(recipe.out, 'metrics.jsonl'), '');
    await trained(recipe, { resume: true });
    const sampled = (out: string) =>
      told(out)
        .filter(({ event }) => event === 'sampled')
        .map(({ prompts }) => prompts);
    expect(sampled(recipe.out)).toEqual([16, 24]);
    expect(text(recipe.out, 'answers.jsonl')).toBe(text(whole.out, 'answers.jsonl'));
    expect(readdirSync(recipe.out)).not.toContain('parts.jsonl');
  });

  it('is not lost with parts that cannot be read', async () => {
    const recipe = sampling();
    for await (const event of train(recipe)) if (event.event === 'sampled') break;
    const kept = `${recipe.out}-kept`;
    cpSync(recipe.out, kept, { recursive: true });
    rmSync(join(recipe.out, 'parts.jsonl'));
    symlinkSync('parts.jsonl', join(recipe.out, 'parts.jsonl'));
    await expect(trained(recipe, { resume: true })).rejects.toMatchObject({ code: 'read_failed' });
    expect(text(recipe.out, 'metrics.jsonl')).toBe(text(kept, 'metrics.jsonl'));
  });
});

/** Samples two parts of answers. */
function sampling() {
  const recipe = tinyRecipe(place(), { method: { name: 'sample', samplesPerPrompt: 2, maxNewTokens: 4 } });
  writeFileSync(recipe.data, Array.from({ length: 24 }, (_, n) => `${JSON.stringify({ prompt: `light ${n} ` })}\n`).join(''));
  return recipe;
}

it('counts steps once where a run was resumed from its start', async () => {
  const recipe = tinyRecipe(place());
  await cut(recipe);
  expect(lossesOf(await trained(recipe, { resume: true }))).toHaveLength(6);
});

// The library of the thread sanitizer needs a file larger than the limit before node begins: it ends every program by SIGSEGV there.
describe.skipIf(process.env.ATTUNE_SANITIZED === 'thread')('a run whose first checkpoint cannot be written', () => {
  // Files of more than 8 KiB are refused by the system: recipe, manifest and metrics fit, weights do not.
  const small = (recipe: object, ...args: string[]) => {
    const file = join(scratch, 'small.json');
    writeFileSync(file, JSON.stringify(recipe));
    const limited = ['-c', 'ulimit -f 8; exec "$0" "$@"', process.execPath, resolve('bin/attune.js'), 'train', file, '--json', ...args];
    const { status, signal, stdout, stderr } = spawnSync('bash', limited, { encoding: 'utf8' });
    expect({ status, signal }, stderr).toEqual({ status: 1, signal: null });
    return stdout;
  };

  it('leaves its name free, so that the same command begins it again', async () => {
    const recipe = tinyRecipe(place());
    const last = small(recipe).trimEnd().split('\n').at(-1) as string;
    expect(JSON.parse(last)).toMatchObject({ event: 'error', code: 'write_failed' });
    expect(existsSync(recipe.out)).toBe(false);
    expect(lossesOf(await trained(recipe))).toHaveLength(6);
  });

  it('keeps what another process left, and what is not its own', async () => {
    const recipe = tinyRecipe(place(), { train: { checkpointEvery: 1 } });
    await stoppedAt(recipe, 1);
    const before = readdirSync(join(recipe.out, 'checkpoints'));
    small(recipe, '--resume');
    expect(readdirSync(join(recipe.out, 'checkpoints'))).toEqual(before);
    expect(lossesOf(await trained(recipe, { resume: true }))).toHaveLength(5);
  });
});
