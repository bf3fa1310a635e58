// adapter.dropout acts where texts are learnt; where answers are compared nothing is dropped, as TRL's disable_dropout has it, and a warning says so.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADAPTER, lossesOf, tinyRecipe, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs, tinyRankings, tinyThumbs } from '../../support/preferences.js';
import { encoderRecipe } from '../../support/tiny_encoder.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
process.env.ATTUNE_CACHE = join(scratch, 'cache');
const place = placesIn(scratch);
const rewards = join(scratch, 'rewards.mjs');
writeFileSync(rewards, 'export const length = (rows) => rows.map(({ completion }) => completion.length);\n');

const PROMPTS = Array.from({ length: 6 }, (_, n) => ({ prompt: tinyText(n).slice(0, 10) }));
const OWN = { samplesPerPrompt: 2, maxNewTokens: 6, rewards: [{ function: `${rewards}#length` }] };
const COMPARED: [string, object, object[]][] = [
  ['reward', {}, tinyPairs(8)],
  ['reward', { ranking: 'plackettLuce' }, tinyRankings(6)],
  ['dpo', { loss: ['sigmoid', 'sft'] }, tinyPairs(8)],
  ['dpo', { loss: 'aot' }, tinyRankings(6)],
  ['kto', {}, tinyThumbs(8)],
  ['kto', { kl: 'step' }, tinyThumbs(8)],
  ['orpo', {}, tinyPairs(8)],
  ['simpo', {}, tinyPairs(8)],
  ['cpo', {}, tinyPairs(8)],
  ['ppo', OWN, PROMPTS],
  ['grpo', { ...OWN, epochs: 2 }, PROMPTS],
  ['rloo', OWN, PROMPTS],
];
const train = { steps: 3, rowsPerStep: 4, learningRate: 1e-2, warmup: 0 };

/** Losses of a few steps, and the warnings that speak of dropout. */
async function ran(recipe: Parameters<typeof trained>[0]) {
  const events = await trained(recipe);
  return { losses: lossesOf(events), told: events.filter((event) => event.event === 'warning' && event.code === 'dropout_unused') };
}

describe.each(COMPARED)('%s %j', (name, options, rows) => {
  it('drops nothing, and says so', async () => {
    const of = (dropout: number) =>
      ran(preferenceRecipe(place(), { name, ...options }, rows, { adapter: { ...ADAPTER, dropout }, evaluate: null, train }));
    const [none, half] = [await of(0), await of(0.5)];
    expect(half.losses).toEqual(none.losses);
    expect([none.told, half.told]).toEqual([
      [],
      [expect.objectContaining({ message: expect.stringMatching(/adapter\.dropout .* acts in pretrain, sft, distill, mlm, plm/) })],
    ]);
  });
});

it.each(['pretrain', 'sft', 'plm', 'distill', 'mlm'])('%s drops', async (name) => {
  const of = async (dropout: number) => {
    const recipe = tinyRecipe(place(), { adapter: { ...ADAPTER, dropout }, train });
    const teacher = { teacher: recipe.model, topK: 4 };
    const method = name === 'distill' ? { name, ...teacher } : name === 'plm' ? { name, maskToken: 'z' } : name;
    return ran(name === 'mlm' ? encoderRecipe(place(), { adapter: recipe.adapter, train }) : ({ ...recipe, method } as typeof recipe));
  };
  const [none, half] = [await of(0), await of(0.5)];
  expect(half.losses[0]).toBe(none.losses[0]); // a new adapter is zero
  expect(half.losses[2]).not.toBe(none.losses[2]);
  expect(half.told).toEqual([]);
});
