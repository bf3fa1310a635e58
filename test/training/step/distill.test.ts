// Distillation from recipes: a teacher that is a whole model or an adapter, steps however they are cut, resumed runs, and what is refused.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectRatio, ROUNDINGS } from '../../support/bounds.js';
import { ADAPTER, evaluationsOf, lossesOf, stepsOf, tinyRecipe, trained } from '../../support/events.js';
import { expectSameBytes } from '../../support/same_run.js';
import { placesIn, scratchFolder, writeTinyModel } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);
const run = (folder: string, train: object, adapter: object = { ...ADAPTER, dropout: 0 }) =>
  tinyRecipe(folder, { adapter, train: { steps: 6, rowsPerStep: 4, learningRate: 5e-3, ...train } });

/** A student and its teacher: the same base, fine-tuned on the rows. */
async function pair(change: object = {}) {
  const taught = run(place(), { steps: 30 });
  await trained(taught);
  const student = run(place(), change);
  return { ...student, model: taught.model, method: { name: 'distill' as const, teacher: join(taught.out, 'adapter'), topK: 16 } };
}

it('draws the student to the teacher, on held-out rows too', async () => {
  const recipe = { ...(await pair({ steps: 30 })), evaluate: { fraction: 0.25, every: 30 } };
  const events = await trained(recipe);
  const [before, after] = evaluationsOf(events);
  expect(after?.loss).toBeLessThan(0.6 * (before?.loss as number));
  expect(stepsOf(events).at(-1)?.nll).toBeGreaterThan(0);
});

it('comes to the same loss and gradient however a step is cut', async () => {
  const recipe = await pair({ steps: 3, microBatchTokens: 4096 });
  const whole = stepsOf(await trained(recipe));
  const cut = stepsOf(await trained({ ...recipe, out: place(), train: { ...recipe.train, microBatchTokens: 64 } }));
  for (const [n, { loss, gradientNorm }] of whole.entries()) {
    expectRatio(cut[n]!.loss, loss, ROUNDINGS, `loss of step ${n + 1}`);
    expectRatio(cut[n]!.gradientNorm, gradientNorm, ROUNDINGS, `norm of step ${n + 1}`);
  }
});

it.each(['adapter', 'model'])('resumes to the same bytes with a teacher that is an %s', async (kind) => {
  const recipe = await pair();
  if (kind === 'model') recipe.method.teacher = recipe.model;
  await expectSameBytes(recipe, place(), 'adapter/adapter_model.safetensors');
});

it('with all weights trained loads the teacher beside, and more ids than there are means all', async () => {
  const { adapter: _, ...recipe } = await pair();
  const all = { ...recipe, method: { ...recipe.method, topK: 4096 } };
  const losses = lossesOf(await trained(all));
  expect(losses.at(-1)).toBeLessThan(losses[0] as number);
});

it('refuses a teacher that is not there, or that speaks another vocabulary', async () => {
  const recipe = await pair();
  const of = (teacher: string) => trained({ ...recipe, out: place(), method: { ...recipe.method, teacher } });
  await expect(of(join(scratch, 'nowhere'))).rejects.toMatchObject({ code: 'missing_model', kind: 'data' });
  const other = writeTinyModel(join(place(), 'model'), { config: { vocab_size: 320 } });
  await expect(of(other)).rejects.toMatchObject({ code: 'vocabulary_differs', message: expect.stringContaining('320 rows') });
  const strange = writeTinyModel(join(place(), 'model'));
  const file = join(strange, 'tokenizer.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  const [one, two] = Object.keys(json.model.vocab).slice(40, 42) as [string, string];
  [json.model.vocab[one], json.model.vocab[two]] = [json.model.vocab[two], json.model.vocab[one]];
  writeFileSync(file, JSON.stringify(json));
  await expect(of(strange)).rejects.toMatchObject({ code: 'tokenizer_differs', message: expect.stringContaining('the teacher’s') });
});
