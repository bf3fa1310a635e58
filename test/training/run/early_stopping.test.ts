// The weights that come out where held-out rows are measured.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTensor, storedTensor } from '../../../lib/checkpoint/safetensors.js';
import { readHeader } from '../../../lib/checkpoint/safetensors_header.js';
import { describe as inWords } from '../../../lib/cli/event_words.js';
import { chosenWeights, lowestOf } from '../../../lib/training/run/held_out.js';
import { ADAPTER, evaluationsOf, stoppedAt, tinyRecipe, tinyText, trained, writeRows } from '../../support/events.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();
const place = placesIn(scratch);

async function tensors(file: string): Promise<Map<string, Float32Array>> {
  const entries = await readHeader(file);
  return new Map(await Promise.all(entries.map(async (one) => [one.name, await readTensor(storedTensor(one, file))] as const)));
}
const report = (out: string) => JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'));

describe.each([
  ['an adapter', { adapter: { ...ADAPTER, dropout: 0 } }, 'adapter/adapter_model.safetensors'],
  ['all weights', {}, 'model/model.safetensors'],
])('early stopping of %s', (_what, change, file) => {
  const evaluate = { fraction: 0.25, every: 1 };

  it('gives the start where no step is as good', async () => {
    const train = { steps: 8, learningRate: 0.1, schedule: 'constant', warmup: 0, earlyStopping: { patience: 1 } };
    const folder = place();
    // Rows of one letter make all others less likely.
    const held = join(folder, 'held.jsonl');
    const recipe = tinyRecipe(folder, { ...change, evaluate: { data: held, every: 4 }, train });
    writeRows(held, [{ text: tinyText(3) }]);
    writeRows(
      recipe.data,
      Array.from({ length: 8 }, () => ({ text: 'z'.repeat(30) })),
    );
    const events = await trained(recipe);
    const done = events.at(-1);
    const [start, ...later] = evaluationsOf(events).map(({ nll }) => nll as number);
    expect(Math.min(...later)).toBeGreaterThan(start as number);
    expect(done).toMatchObject({ event: 'done', step: 4, weights: { step: 0, why: expect.stringContaining('the start') } });
    const made = await tensors(join(recipe.out, file));
    if (file.startsWith('adapter'))
      for (const [name, values] of made) if (name.includes('lora_B')) expect(values.every((one) => one === 0)).toBe(true);
    if (file.startsWith('model')) {
      const base = await tensors(join(recipe.model, 'model.safetensors'));
      for (const [name, values] of made) expect(values).toEqual(base.get(name));
    }
  });

  it('gives the lowest figure, whatever patience counts as better, and the same bytes when it was cut', async () => {
    const earlyStopping = { patience: 4, minimum: 100 };
    const train = { steps: 10, learningRate: 0.01, schedule: 'constant', warmup: 0, checkpointEvery: 1, earlyStopping };
    const recipe = tinyRecipe(place(), { ...change, evaluate, train });
    const whole = { ...recipe, out: place() };
    const events = await trained(whole);
    const figures = evaluationsOf(events).map(({ nll }) => nll as number);
    const lowest = figures.indexOf(Math.min(...figures));
    expect(lowest).toBeGreaterThan(0);
    expect(events.at(-1)).toMatchObject({ step: 4, weights: { step: lowest } });
    expect(report(whole.out)).toMatchObject({ steps: 4, weights: { step: lowest }, evaluation: { best: { step: lowest } } });
    const checkpoint = join(whole.out, 'checkpoints', `step-00000${lowest}`);
    const kept = await tensors(join(checkpoint, readdirSync(checkpoint).find((name) => /model\.safetensors$/.test(name)) as string));
    for (const [name, values] of await tensors(join(whole.out, file))) expect(values).toEqual(kept.get(name));
    await stoppedAt(recipe, 3);
    expect((await trained(recipe, { resume: true })).at(-1)).toMatchObject({ weights: { step: lowest } });
    expect(readFileSync(join(recipe.out, file))).toEqual(readFileSync(join(whole.out, file)));
  });
});

describe('the weights that come out', () => {
  const judged = (...figures: number[]) => figures.map((nll, step) => ({ step, nll }));
  const chosen = (figures: number[], takesLowest: boolean) => {
    const evaluations = judged(...figures);
    const lowest = evaluations.reduce<ReturnType<typeof judged>[number] | undefined>(
      (best, one) => lowestOf(best, { event: 'evaluation', tokens: 1, ...one }) as never,
      undefined,
    );
    return chosenWeights({ step: figures.length - 1, lowest, evaluations }, takesLowest);
  };

  it('are those of the lowest figure with early stopping, the first of equal ones', () => {
    expect(chosen([3, 2, 1, 1, 2], true)).toMatchObject({ step: 2, why: expect.stringContaining('step 2') });
    expect(chosen([1, 2, 3], true)).toMatchObject({ step: 0, why: expect.stringContaining('the start') });
    expect(chosen([3, 2, 1], true)).toMatchObject({ step: 2, why: expect.stringContaining('the last step') });
  });

  it('are the last ones without it, and a lower figure is told', () => {
    expect(chosen([3, 1, 2], false)).toMatchObject({ step: 2, why: expect.stringMatching(/the last step; step 1 has .*earlyStopping/) });
    expect(chosenWeights({ step: 4, lowest: undefined, evaluations: [] }, false)).toEqual({ step: 4, why: 'the last step' });
  });

  it('are named by the last line', () => {
    const event = { event: 'done' as const, step: 7, output: 'x', weights: { step: 5, why: 'because' } };
    expect(inWords(event)).toBe('done after 7 steps; what came out is of step 5: because');
    expect(inWords({ event: 'done', step: 7, output: 'x' })).toBe('done after 7 steps');
  });
});
