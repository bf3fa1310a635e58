// Reward models over the answers to a prompt: the prompt is computed once, and the scores are those of every answer by itself.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openModelFolder } from '../../../lib/checkpoint/model_folder.js';
import { loadNative } from '../../../lib/checkpoint/native_model.js';
import type { Tokens } from '../../../lib/data/index.js';
import type { NativeModel } from '../../../lib/native.js';
import { openTokenizer } from '../../../lib/tokenizer/index.js';
import { FrozenModels } from '../../../lib/training/reference/reference.js';
import { Judges } from '../../../lib/training/rollout/judges.js';
import { ADAPTER, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs } from '../../support/preferences.js';
import { scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const COMPUTE = { device: 'cpu', dtype: 'f32', threads: 1 } as const;
const [PROMPTS, SAMPLES, LONGEST] = [4, 8, 9];

/** Answers of uneven lengths to each prompt: the first is none, the second is the third but for the end token. */
function answersOf(ends: readonly number[]) {
  return Array.from({ length: PROMPTS * SAMPLES }, (_, n) => {
    const [prompt, sample] = [Math.floor(n / SAMPLES), n % SAMPLES];
    const words = Array.from({ length: Math.max(1, sample) }, (_, i) => 40 + ((prompt * 7 + Math.max(sample, 2) * 3 + i) % 50));
    const ids = sample === 0 ? [] : sample < 3 ? words.slice(0, 1) : words.slice(0, LONGEST);
    return { prompt, ids: Int32Array.from(sample === 2 ? [...ids, ends[0] as number] : ids), text: `${n}`, stopped: sample === 2 };
  });
}

/** Tokens that went forward, and the rewards. */
async function judged(native: NativeModel, judge: string, folder: string, microBatchTokens: number) {
  const [base, tokenizer] = [await openModelFolder(folder), await openTokenizer(folder)];
  let tokens = 0;
  const forward = native.forward.bind(native);
  const counting: typeof forward = (batch, how) => {
    tokens += batch.tokens.length;
    return forward(batch, how);
  };
  Object.defineProperty(native, 'forward', { value: counting, configurable: true, writable: true });
  const frozen = new FrozenModels(COMPUTE, { base, native, isAdapter: true });
  const judges = await Judges.open([{ model: judge, weight: 2 }], [], { base, tokenizer, microBatchTokens }, frozen);
  const prompts = Array.from({ length: PROMPTS }, (_, n) => {
    const ids = Int32Array.from(Buffer.from(tinyText(n).slice(0, 12 + n)), (byte) => byte % 100);
    return { ids, unit: { kind: 'prompt', number: n, rows: 1, ranks: [0], margin: 0, columns: {} } } as unknown as Tokens;
  });
  const rewards = await judges.rewards(prompts, answersOf(tokenizer.ends));
  Object.defineProperty(native, 'forward', { value: forward, configurable: true, writable: true });
  return { rewards, tokens };
}

it('gives each answer the reward that it has alone, for a third of the tokens, and equal ones the same to the last bit', async () => {
  const recipe = preferenceRecipe(join(scratch, 'judge'), { name: 'reward' }, tinyPairs(8), {
    adapter: { ...ADAPTER, dropout: 0 },
    train: { rowsPerStep: 4, steps: 3, learningRate: 5e-2 },
  });
  const { output } = (await trained(recipe)).at(-1) as { output: string };
  const native = await loadNative(await openModelFolder(recipe.model), { dtype: 'f32', threads: 1 });
  const rewards: Float64Array[] = [];
  const tokens: number[] = [];
  for (const [shares, most] of [
    [false, 2048],
    [true, 2048],
    [true, 40],
    [true, 1],
  ] as const) {
    native.sharesBeginnings = shares;
    const found = await judged(native, output, recipe.model, most);
    rewards.push(found.rewards);
    tokens.push(found.tokens);
  }
  const [alone, ...together] = rewards as [Float64Array, ...Float64Array[]];
  expect(new Set(alone).size).toBe(PROMPTS * (SAMPLES - 1));
  for (const one of together) {
    const furthest = one.reduce((most, value, n) => Math.max(most, Math.abs(value - (alone[n] as number))), 0);
    expect(furthest).toBeLessThan(2e-5 * Math.max(...alone.map(Math.abs)));
    for (let prompt = 0; prompt < PROMPTS; prompt++) expect(one[prompt * SAMPLES + 1]).toBe(one[prompt * SAMPLES + 2]);
  }
  const [whole, shared, cut] = tokens as [number, number, number];
  expect(shared).toBeLessThan(0.45 * whole);
  expect(cut).toBeGreaterThan(shared);
  expect(cut).toBeLessThan(whole);
  native.dispose();
});
