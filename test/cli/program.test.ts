// The command line as a program: what stands on which stream, and the exit status. Needs the built dist, as `npm test` makes it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { networkConfig } from '../../lib/network/config.js';
import { linearLayers } from '../../lib/network/linears.js';
import { expectRatio, ROUNDINGS } from '../support/bounds.js';
import { ADAPTER, tinyRecipe, tinyText } from '../support/events.js';
import { HubStub } from '../support/hub_stub.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import { placesIn, scratchFolder, TINY_CONFIG, writeTinyModel } from '../support/tiny_model.js';

const program = resolve(import.meta.dirname, '../../bin/attune.js');
const isBuilt = existsSync(resolve(program, '../../dist/cli/main.js'));
const scratch = scratchFolder();
const place = placesIn(scratch);

interface Options {
  stdin?: string;
  env?: Record<string, string>;
  cwd?: string;
}

async function attune(args: string[], { stdin = '', env = {}, cwd = scratch }: Options = {}) {
  const child = spawn(process.execPath, [program, ...args], { cwd, env: { ...process.env, ...env } });
  child.stdin.end(stdin);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

const last = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1) ?? '');

function recipeFile(change: Record<string, unknown> = {}) {
  const folder = place();
  const recipe = tinyRecipe(folder, change);
  const file = join(folder, 'recipe.yaml');
  writeFileSync(file, JSON.stringify(recipe, undefined, 1));
  return { file, recipe };
}

describe.skipIf(!isBuilt)('attune (needs the built command line)', () => {
  it('helps, and tells its version', async () => {
    expect(await attune(['--help'])).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('train RECIPE') });
    expect((await attune(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await attune(['train', '--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('--resume') });
  });

  it.each([
    [
      ['trian', 'x.yaml'],
      ['trian', 'train'],
    ],
    [
      ['evaluate', '--modle', 'x'],
      ['--modle', '--model'],
    ],
    [['--verbose'], ['--verbose']],
    [[], ['missing command', 'evaluate']],
    [['train', 'no-such.yaml'], ['no-such.yaml']],
  ])('refuses %j with status 2, words and an event', async (args, words) => {
    const { status, stdout, stderr } = await attune([...args, '--json']);
    expect(status).toBe(2);
    for (const word of words) expect(stderr).toContain(word);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(last(stdout)).toMatchObject({ event: 'error', code: expect.any(String), message: expect.any(String) });
    const plain = await attune(args);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toBe(stderr);
  });

  it('trains with events on standard output, or with the output’s place there', async () => {
    const { file, recipe } = recipeFile();
    const events = await attune(['train', file, '--json']);
    expect(events).toMatchObject({ status: 0, stderr: '' });
    expect(last(events.stdout)).toEqual({ event: 'done', step: 6, output: join(recipe.out, 'model') });
    const other = place();
    const plain = await attune(['train', file, '--out', other, '--set', 'train.steps=2', '--threads', '2', '--dtype', 'bf16']);
    expect(plain).toMatchObject({ status: 0, stdout: `${join(other, 'model')}\n` });
    expect(plain.stderr).toMatch(/step 1\/2 {2}loss/);
    expect(readFileSync(join(other, 'recipe.yaml'), 'utf8')).toMatch(/dtype: bf16[\s\S]*threads: 2/);
  });

  it('finishes the step at Ctrl-C, writes a checkpoint, and goes on from it', async () => {
    const { file, recipe } = recipeFile({ adapter: ADAPTER, train: { steps: 400, checkpointEvery: 1000 } });
    const child = spawn(process.execPath, [program, 'train', file, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGINT'), 300));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    expect(child.exitCode).toBe(130);
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event === 'step');
    const name = `step-${String(steps.at(-1).step).padStart(6, '0')}`;
    expect(readdirSync(join(recipe.out, 'checkpoints'))).toEqual([name]);
    expect(last(stdout)).toMatchObject({ event: 'error', code: 'interrupted' });
    expect(stderr).toContain('--resume');
    const done = await attune(['train', file, '--json', '--resume']);
    expect(last(done.stdout)).toMatchObject({ event: 'done', step: 400 });
  });

  it('warns on standard error, and leaves one object on standard output with --json', async () => {
    const model = writeTinyModel(place());
    const data = join(model, 'rows.jsonl');
    writeFileSync(data, JSON.stringify({ prompt: 'a', completion: 'b', weight: 2 }));
    const { status, stdout, stderr } = await attune(['evaluate', '--model', model, '--data', data, '--json']);
    expect(status).toBe(0);
    expect(Object.keys(JSON.parse(stdout))).toEqual(['nll', 'perplexity', 'tokens', 'rows']);
    expect(stderr).toMatch(/^warning: .*rows\.jsonl: the column weight is not used in the row of line 1\n$/);
  });

  it('evaluates, merges, generates and previews', async () => {
    const model = writeTinyModel(place());
    const adapter = writeTinyAdapter(place(), linearLayers(networkConfig(TINY_CONFIG, 'config.json')));
    const data = `${place()}.jsonl`;
    writeFileSync(data, [1, 2].map((n) => `${JSON.stringify({ text: tinyText(n) })}\n`).join(''));
    const merged = place();
    const { parity } = JSON.parse((await attune(['merge', '--model', model, '--adapter', adapter, '--out', merged, '--json'])).stdout);
    expect(parity).toMatchObject({ maxLogitDifference: expect.any(Number), kl: expect.any(Number), greedyMatch: 1 });
    const nats = async (...args: string[]) =>
      JSON.parse((await attune(['evaluate', '--data', data, '--dtype', 'f32', '--json', ...args])).stdout);
    const [one, other] = [await nats('--model', model, '--adapter', adapter), await nats('--model', merged)];
    expect(one).toMatchObject({ rows: 2, tokens: other.tokens });
    expectRatio(one.nll, other.nll, ROUNDINGS, 'nats');
    const options = ['--model', model, '--temperature', '0', '--max-new-tokens', '5'];
    const answer = JSON.parse((await attune(['generate', ...options, '--json'], { stdin: 'hello' })).stdout);
    expect(answer).toMatchObject({ ids: { length: 5 }, promptTokens: 6, stopReason: 'length' });
    const plain = await attune(['generate', ...options, '--prompt', 'hello']);
    expect(plain).toMatchObject({ status: 0, stdout: `${answer.text}\n` });
    const { file } = recipeFile();
    const preview = JSON.parse((await attune(['preview', file, '--rows', '2', '--json'])).stdout);
    expect(preview).toMatchObject({ rows: { length: 2 }, counts: { in: 24, kept: 24 } });
    expect((await attune(['preview', file], { env: { NO_COLOR: '1' } })).stdout).toContain('⟦');
    expect((await attune(['preview', file], { env: { FORCE_COLOR: '1', NO_COLOR: '' } })).stdout).toContain('\u001b[');
  });

  it('tells what the machine has', async () => {
    const facts = JSON.parse((await attune(['doctor', '--json'])).stdout);
    expect(facts).toMatchObject({ node: process.version, native: { available: true }, cpu: { threads: expect.any(Number) } });
    expect(facts.cuda).toMatchObject({ available: false, reason: expect.any(String) });
    const without = await attune(['doctor', '--json'], { env: { ATTUNE_BUILD_DIR: place() } });
    expect(without.status).toBe(0);
    expect(JSON.parse(without.stdout)).toMatchObject({ native: { available: false, reason: expect.stringContaining('attune build') } });
  });

  it('says before the native part is built that it must be', async () => {
    const { file } = recipeFile();
    const { status, stderr } = await attune(['train', file], { env: { ATTUNE_BUILD_DIR: place() } });
    expect([status, stderr]).toEqual([1, expect.stringContaining('attune build')]);
  });

  it('ends quietly when nobody reads any more', async () => {
    const { file } = recipeFile({ train: { steps: 2000 } });
    const child = spawn(process.execPath, [program, 'train', file, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.once('data', () => child.stdout.destroy());
    const [stderr] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect([child.exitCode, stderr]).toEqual([0, '']);
  });

  it('takes a model from the hub', async () => {
    const folder = writeTinyModel(place());
    const files = Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
    const hub = await HubStub.start(files);
    const cwd = place();
    mkdirSync(cwd);
    const env = { HF_ENDPOINT: hub.url, HF_HOME: place() };
    const { status, stdout } = await attune(
      ['generate', '--model', 'owner/name', '--prompt', 'x', '--max-new-tokens', '2', '--seed', '1', '--json'],
      { env, cwd },
    );
    hub.close();
    expect(status).toBe(0);
    expect(JSON.parse(stdout).ids).toHaveLength(2);
  });
});
