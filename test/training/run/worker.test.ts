import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { ADAPTER, lossesOf, tinyRecipe, trained } from '../../support/events.js';
import { scratchFolder } from '../../support/tiny_model.js';

const library = resolve(import.meta.dirname, '../../../dist/index.js');
const scratch = scratchFolder();

const CODE = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.library).then(async ({ train }) => {
    const losses = [];
    for await (const event of train(workerData.recipe)) if (event.event === 'step') losses.push(event.loss);
    parentPort.postMessage(losses);
  });`;

function inWorker(recipe: object): Promise<number[]> {
  const worker = new Worker(CODE, { eval: true, workerData: { library, recipe } });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

describe('a trainer in a worker thread', () => {
  it.skipIf(!existsSync(library))('beside one in the main thread gives the same losses (needs the built library)', async () => {
    const recipe = tinyRecipe(join(scratch, 'run'), { adapter: ADAPTER, train: { steps: 10 } });
    const [here, there] = await Promise.all([trained(recipe), inWorker({ ...recipe, out: join(scratch, 'other') })]);
    expect(there).toEqual(lossesOf(here));
    expect(there).toHaveLength(10);
  });
});
