// process.exit during native work: the work is stopped, and the process ends with the code that it was given.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { ADDON, FIXTURES, family, storedTensors } from '../transformer/fixtures.js';

const WORK: Record<string, string> = {
  'a rollout without end': `m.startRollout({ prompts: [Int32Array.of(1)], samples: 16, maxNewTokens: 100000 }).advance(1 << 30)`,
  'passes in a queue': `Array.from({ length: 50 }, () => m.logits(new Int32Array(600), Int32Array.of(0, 600)))`,
  'a load': `loadModel(options)`,
};

it.each(Object.keys(WORK))('ends %s', (what) => {
  const tensors = storedTensors(resolve(FIXTURES, 'llama/model.safetensors'));
  const options = { config: family('llama').network, tensors, dtype: 'f32', threads: 2, train: 'none', recomputeActivations: false };
  const code = `
    const [native, options] = JSON.parse(process.argv[1]);
    const { loadModel } = require(native);
    loadModel(options).then((m) => { ${WORK[what]}; setTimeout(() => process.exit(7), 30); });`;
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', code, JSON.stringify([ADDON, options])], { encoding: 'utf8' });
  expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' });
});
