// The example of an encoder: what examples/encoder/make.mjs writes, trained for two of the sixty passes of examples/mlm.yaml.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readRecipe } from '../../../lib/recipe/index.js';
import { train } from '../../../lib/training/run/train.js';
import { scratchFolder } from '../../support/tiny_model.js';

const examples = fileURLToPath(new URL('../../../examples', import.meta.url));

/** Of the words and signs of a text. */
function sumOfSquaredShares(file: string): number {
  const words = readFileSync(file, 'utf8')
    .toLowerCase()
    .match(/\p{L}+|\p{N}|[^\s\p{L}\p{N}]/gu) as string[];
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts.values()].reduce((sum, n) => sum + (n / words.length) ** 2, 0);
}

it('learns to fill in hidden words from random numbers', async () => {
  const folder = scratchFolder();
  const model = resolve(folder, 'encoder');
  execFileSync(process.execPath, [resolve(examples, 'encoder/make.mjs'), model]);
  const recipe = readRecipe(resolve(examples, 'mlm.yaml'), { set: [`model=${model}`, 'train.epochs=2', 'evaluate.every=16'] });
  const perplexities: number[] = [];
  for await (const event of train(recipe, { out: resolve(folder, 'out') }))
    if (event.event === 'evaluation') perplexities.push(event.perplexity as number);
  // A hidden place ends in a norm, |h|^2 = 128, and meets normal embeddings of deviation 0.02: logits are normal with deviation s = 0.226. The sum
  // over 2,048 exponentials is 2,048 e^(s^2/2); the mean logit of the right words, whose shares are p, is 0 with deviation s sqrt(sum of p^2).
  const s = 0.02 * Math.sqrt(128);
  const off = Math.log((perplexities[0] as number) / 2048) - s ** 2 / 2;
  expect(Math.abs(off)).toBeLessThan(3 * s * Math.sqrt(sumOfSquaredShares(resolve(examples, 'data/field-notes.txt'))));
  expect(perplexities.at(-1)).toBeLessThan(900);
});
