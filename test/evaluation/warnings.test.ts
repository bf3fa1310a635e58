// What is worth telling of files that are opened all the same reaches whoever asked: through `onWarning`, or on standard error.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { evaluate, generate, scoreReward } from '../../lib/evaluation/index.js';
import { merge } from '../../lib/evaluation/merge.js';
import { networkConfig } from '../../lib/network/config.js';
import { linearLayers } from '../../lib/network/linears.js';
import { ADAPTER, tinyText, trained, writeRows } from '../support/events.js';
import { preferenceRecipe, tinyPairs } from '../support/preferences.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import { placesIn, scratchFolder, TINY_CONFIG, tinyTensors, writeTinyModel, writeWeights } from '../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
/** A tensor that no part of the network takes. */
const foreign = { name: 'model.extra.weight', dtype: 'F32', shape: [2], bytes: new Uint8Array(8) };
const model = writeTinyModel(place());
writeWeights(model, [...tinyTensors(TINY_CONFIG), foreign]);
/** An adapter with a key that no version of PEFT had. */
const adapter = writeTinyAdapter(place(), linearLayers(networkConfig(TINY_CONFIG, 'config.json')), {
  edit: (config, tensors) => {
    config.future_key = { x: 1 };
    return tensors;
  },
});

/** Codes of the warnings that `ask` gives out. */
async function codes(ask: (onWarning: (warning: { code: string }) => void) => Promise<unknown>): Promise<string[]> {
  const told: string[] = [];
  await ask(({ code }) => told.push(code));
  return told;
}

it('evaluate tells of model, adapter and rows', async () => {
  const data = writeRows(join(scratch, 'texts.jsonl'), [{ prompt: 'Q:', completion: ' a', weight: 2 }]);
  const told = await codes((onWarning) => evaluate({ model, adapter, data, dtype: 'f32', onWarning }));
  expect(told).toEqual(['foreign_tensors', 'adapter_keys', 'unused_column']);
});

it('generate and merge tell of model and adapter', async () => {
  const answer = async (onWarning: (warning: { code: string }) => void) => {
    for await (const _ of generate('a', { model, adapter, maxNewTokens: 1, dtype: 'f32', onWarning }));
  };
  expect(await codes(answer)).toEqual(['foreign_tensors', 'adapter_keys']);
  expect(await codes((onWarning) => merge({ model, adapter, out: place(), onWarning }))).toEqual(['foreign_tensors', 'adapter_keys']);
});

it('scoreReward tells of model and rows', async () => {
  const recipe = preferenceRecipe(place(), { name: 'reward' }, tinyPairs(8), {
    adapter: { ...ADAPTER, dropout: 0 },
    train: { rowsPerStep: 4, steps: 1 },
  });
  const { output } = (await trained(recipe)).at(-1) as { output: string };
  const data = writeRows(join(scratch, 'scored.jsonl'), [{ prompt: 'Q:', completion: tinyText(1), weight: 2 }]);
  const told = await codes((onWarning) => scoreReward({ model: recipe.model, adapter: output, data, onWarning }));
  expect(told).toEqual(['unused_column']);
});
