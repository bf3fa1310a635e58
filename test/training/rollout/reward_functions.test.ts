// Reward functions by themselves: what they are given and may give back, and every way in which they can fail.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { RewardFunction } from '../../../lib/training/rollout/reward_functions.js';
import { scratchFolder } from '../../support/tiny_model.js';

const file = join(scratchFolder(), 'rewards.mjs');
writeFileSync(
  file,
  `export default 3;
export const lengths = async (rows) => rows.map(({ prompt, completion, row }) => prompt.length + completion.length + row.more);
export const single = (rows) => Float32Array.from(rows, () => 0.5);
export const count = (() => { let calls = 0; return (rows) => rows.map(() => ++calls); })();
export const nothing = () => {};
export const words = () => ['good'];
export const long = (rows) => [...rows, 1].map(() => 1);
export const infinite = (rows) => rows.map(() => Infinity);
export const holes = (rows) => new Array(rows.length);
export const ends = () => process.exit(3);
export const later = () => new Promise(() => setTimeout(() => { throw new Error('too late'); }, 5));
export const text = () => { throw 'just a text'; };
export const prints = (rows) => { console.log('printed'); return rows.map(() => 1); };
`,
);
const ROWS = [
  { prompt: 'ab', completion: 'c', row: { more: 10 } },
  { prompt: '', completion: '', row: { more: 1n } },
];
const one = ROWS.slice(0, 1);
const opened: RewardFunction[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function open(name: string, timeoutSeconds = 20): Promise<RewardFunction> {
  const found = await RewardFunction.open({ function: `${file}#${name}`, timeoutSeconds });
  opened.push(found);
  return found;
}

it('is given texts and rows, and gives a number for each; it is loaded once', async () => {
  expect(await (await open('lengths')).rewards(one)).toEqual(Float64Array.of(13));
  expect(await (await open('single')).rewards(ROWS)).toEqual(Float64Array.of(0.5, 0.5));
  expect(await (await open('prints')).rewards(one)).toEqual(Float64Array.of(1));
  const count = await open('count');
  expect([await count.rewards(one), await count.rewards(one)]).toEqual([Float64Array.of(1), Float64Array.of(2)]);
});

it.each([
  ['nothing', 'must give a list of 1 numbers, not undefined'],
  ['words', "gave 'good' for answer 1 of 1"],
  ['long', 'gave 2 values for 1 answers'],
  ['infinite', 'gave Infinity'],
  ['holes', 'gave undefined'],
  ['ends', 'ended its thread with status 3'],
  ['later', 'too late'],
  ['text', "threw 'just a text'"],
])('fails as %s does, with file, name and words', async (name, words) => {
  const failure = { kind: 'work', code: 'reward_failed', file, message: expect.stringContaining(words) };
  await expect((await open(name)).rewards(one)).rejects.toMatchObject(failure);
});

it('is of no use after it was ended', async () => {
  const ended = await open('ends');
  await expect(ended.rewards(one)).rejects.toMatchObject({ code: 'reward_failed' });
  await expect(ended.rewards(one)).rejects.toMatchObject({ code: 'reward_failed' });
});

it.each([
  ['length', 'missing_reward_function', 'did you mean lengths?'],
  ['default', 'missing_reward_function', 'no function but of type number'],
])('is looked for by name: %s', async (name, code, words) => {
  await expect(open(name)).rejects.toMatchObject({ kind: 'data', code, message: expect.stringContaining(words) });
});

it('says where a module is missing or does not load', async () => {
  const missing = { function: `${file}.js#x`, timeoutSeconds: 5 };
  await expect(RewardFunction.open(missing)).rejects.toMatchObject({ code: 'missing_reward_function' });
  const broken = `${file}.mjs`;
  writeFileSync(broken, 'export const x = ;');
  await expect(RewardFunction.open({ function: `${broken}#x`, timeoutSeconds: 5 })).rejects.toMatchObject({
    code: 'bad_reward_function',
    message: expect.stringContaining('SyntaxError'),
  });
});
