// What is worth telling of the folders of reference, teacher and judges is a warning event before the first step, once a folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import type { TrainInput } from '../../../lib/training/run/prepare.js';
import { ADAPTER, tinyRecipe, tinyText, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs } from '../../support/preferences.js';
import { placesIn, scratchFolder, TINY_CONFIG, tinyTensors, writeTinyModel, writeWeights } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
beforeEach(() => {
  process.env.ATTUNE_CACHE = place();
});

const OWN = { adapter: { ...ADAPTER, dropout: 0 }, evaluate: null };
const TRAIN = { rowsPerStep: 4, steps: 1, learningRate: 1e-3 };

/** A model with a tensor that no part of the network takes. */
function foreignModel(): string {
  const folder = writeTinyModel(place());
  const foreign = { name: 'model.extra.weight', dtype: 'F32', shape: [2], bytes: new Uint8Array(8) };
  writeWeights(folder, [...tinyTensors(TINY_CONFIG), foreign]);
  return folder;
}

/** The adapter that a recipe ends in, with a key that no version of PEFT had. */
async function strangeAdapter(recipe: TrainInput): Promise<string> {
  const { output } = (await trained(recipe)).at(-1) as { output: string };
  const file = join(output, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), future_key: 1 }));
  return output;
}

/** `code folder` of the warnings that name one of these folders, in order. */
const told = async (recipe: TrainInput, ...folders: string[]) =>
  (await trained(recipe)).flatMap((event) => {
    if (event.event !== 'warning') return [];
    const folder = folders.find((one) => event.message.includes(one));
    return folder === undefined ? [] : [`${event.code} ${folder}`];
  });

it.each(['model', 'adapter'])('of a reference that is a %s, also where an earlier run kept what it gave', async (kind) => {
  const reference = kind === 'model' ? foreignModel() : await strangeAdapter(tinyRecipe(place(), { ...OWN, train: TRAIN }));
  const code = kind === 'model' ? 'foreign_tensors' : 'adapter_keys';
  const recipe = preferenceRecipe(place(), { name: 'dpo', reference }, tinyPairs(4), { ...OWN, train: { ...TRAIN, steps: 3 } });
  expect(await told(recipe, reference)).toEqual([`${code} ${reference}`]);
  expect(await told({ ...recipe, out: place() }, reference)).toEqual([`${code} ${reference}`]);
  const once = { ...recipe, out: place(), train: { ...recipe.train, steps: 1 } };
  expect(await told(once, reference)).toEqual([`${code} ${reference}`]);
});

it('of a teacher', async () => {
  const teacher = foreignModel();
  const recipe = tinyRecipe(place(), { ...OWN, method: { name: 'distill', teacher, topK: 4 }, train: TRAIN });
  expect(await told(recipe, teacher)).toEqual([`foreign_tensors ${teacher}`]);
});

it('of judges, beside rollouts and where answers are sampled', async () => {
  const reward = preferenceRecipe(place(), { name: 'reward' }, tinyPairs(4), { ...OWN, train: TRAIN });
  const model = await strangeAdapter(reward);
  const prompts = Array.from({ length: 4 }, (_, n) => ({ prompt: tinyText(n).slice(0, 10) }));
  const method = { rewards: [{ model }], maxNewTokens: 4, samplesPerPrompt: 2 };
  const grpo = preferenceRecipe(place(), { ...method, name: 'grpo' }, prompts, { ...OWN, train: TRAIN });
  expect(await told(grpo, model)).toEqual([`adapter_keys ${model}`]);
  const folder = place();
  mkdirSync(folder, { recursive: true });
  const { method: _, ...outside } = preferenceRecipe(folder, { name: 'sft' }, prompts, { ...OWN, model: foreignModel() });
  const stages = [{ method: { ...method, name: 'sample' } }];
  expect(await told({ ...outside, stages } as unknown as TrainInput, outside.model, model)).toEqual([
    `foreign_tensors ${outside.model}`,
    `adapter_keys ${model}`,
  ]);
});
