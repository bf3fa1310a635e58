// Preferences through the command line: preview of their rows, training, scores. Needs the built dist, as `npm test` makes it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { ADAPTER } from '../support/events.js';
import { preferenceRecipe, tinyPairs, tinyRankings, tinyThumbs } from '../support/preferences.js';
import { scratchFolder } from '../support/tiny_model.js';

const program = resolve(import.meta.dirname, '../../bin/attune.js');
const isBuilt = existsSync(resolve(program, '../../dist/cli/main.js'));
const scratch = scratchFolder();
let folders = 0;

async function attune(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, NO_COLOR: '1' } });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

function recipeFile(method: string | object, rows: readonly object[]) {
  const folder = join(scratch, `p${++folders}`);
  const recipe = preferenceRecipe(folder, method as object, rows, { adapter: ADAPTER, train: { steps: 2, rowsPerStep: 3 } });
  const file = join(folder, 'recipe.yaml');
  writeFileSync(file, JSON.stringify(recipe, undefined, 1));
  return { file, recipe, folder };
}

describe.skipIf(!isBuilt)('preferences (need the built command line)', () => {
  it.each([
    ['dpo', tinyPairs(3), ['chosen', 'rejected', 'chosen', 'rejected', 'chosen', 'rejected'], [1, 1, 2, 2, 3, 3]],
    ['kto', tinyThumbs(3), ['down', 'up', 'up'], [1, 2, 3]],
    ['kto', tinyPairs(2), ['up', 'down', 'up', 'down'], [1, 1, 2, 2]],
    ['reward', tinyRankings(1), ['chosen', 'rejected', 'chosen', 'rejected', 'chosen', 'rejected'], [1, 1, 1, 1, 1, 1]],
  ])('previews rows for %s', async (method, rows, roles, lines) => {
    const { file } = recipeFile(method, rows);
    const { rows: shown } = JSON.parse((await attune('preview', file, '--rows', '9', '--json')).stdout);
    expect(shown.map(({ role }: { role: string }) => role)).toEqual(roles);
    expect(shown.map(({ source }: { source: { line: number } }) => source.line)).toEqual(lines);
    for (const { ids, trained } of shown) expect([trained.length, trained[0], trained.at(-1)]).toEqual([ids.length, 0, 1]);
    expect((await attune('preview', file)).stdout).toContain(`${roles[0]}, `);
  });

  it('trains a reward model with its figures on the line, and scores with it', async () => {
    const { file, recipe, folder } = recipeFile('reward', tinyPairs(6));
    const { status, stdout, stderr } = await attune('train', file);
    const adapter = join(recipe.out, 'adapter');
    expect([status, stdout]).toEqual([0, `${adapter}\n`]);
    expect(stderr).toMatch(/step 1\/2 {2}loss \d\.\d+ {2}margin -?\d\.\d+ {2}acc \d\.\d\d {2}lr/);
    const data = join(folder, 'answers.jsonl');
    writeFileSync(
      data,
      tinyThumbs(4)
        .map((row) => `${JSON.stringify({ prompt: row.prompt, completion: row.completion })}\n`)
        .join(''),
    );
    const scored = ['score-reward', '--model', recipe.model, '--adapter', adapter, '--data', data];
    const { scores } = JSON.parse((await attune(...scored, '--json')).stdout);
    expect(scores).toHaveLength(4);
    expect((await attune(...scored)).stdout).toBe(scores.map((score: number) => `${score.toFixed(6)}\n`).join(''));
    const bare = await attune('score-reward', '--model', recipe.model, '--data', data, '--json');
    expect([bare.status, JSON.parse(bare.stdout)]).toEqual([3, expect.objectContaining({ event: 'error', code: 'no_score_head' })]);
  });

  it.each([
    ['dpo', tinyThumbs(3), 3, ['preferences.jsonl:1', 'chosen', 'kto']],
    ['kto', tinyPairs(3).map(({ prompt, chosen }) => ({ prompt, completion: chosen, label: true })), 3, ['label true', 'both']],
    [{ name: 'dpo', reference: 'no-such' }, tinyPairs(3), 3, ['no-such']],
    [{ name: 'dpo', lossWeights: [1, 2] }, tinyPairs(3), 2, ['recipe.yaml:', 'lossWeights']],
  ])('refuses %j given what does not fit', async (method, rows, status, words) => {
    const { file, recipe } = recipeFile(method, rows);
    const answer = await attune('train', file);
    expect(answer.status).toBe(status);
    for (const word of words) expect(answer.stderr).toContain(word);
    expect(existsSync(recipe.out)).toBe(false);
  });
});
