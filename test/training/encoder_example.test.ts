// The example of an encoder: what examples/encoder/make.mjs writes, trained for two of the sixty passes of examples/mlm.yaml.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readRecipe } from '../../lib/options/index.js';
import { train } from '../../lib/training/train.js';
import { scratchFolder } from '../support/tiny_model.js';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));

it('learns to fill in hidden words from random numbers', async () => {
  const folder = scratchFolder();
  const model = resolve(folder, 'encoder');
  execFileSync(process.execPath, [resolve(examples, 'encoder/make.mjs'), model]);
  const recipe = readRecipe(resolve(examples, 'mlm.yaml'), { set: [`model=${model}`, 'train.epochs=2', 'evaluate.every=16'] });
  const perplexities: number[] = [];
  for await (const event of train(recipe, { out: resolve(folder, 'out') }))
    if (event.event === 'evaluation') perplexities.push(event.perplexity as number);
  // Of 2,048 pieces, each as likely as the other at first.
  expect(Math.abs((perplexities[0] as number) / 2048 - 1)).toBeLessThan(0.1);
  expect(perplexities.at(-1)).toBeLessThan(900);
});
