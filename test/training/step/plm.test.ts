import { describe, expect, it } from 'vitest';
import { openModelFolder } from '../../../lib/checkpoint/model_folder.js';
import { loadNative } from '../../../lib/checkpoint/native_model.js';
import { previewRows } from '../../../lib/data/sequences/preview.js';
import { previewRecipe } from '../../../lib/training/run/preview.js';
import { expectRatio, ROUNDINGS, shareBound } from '../../support/bounds.js';
import { ADAPTER, evaluationsOf, stepsOf, tinyRecipe, trained } from '../../support/events.js';
import { expectSameBytes, expectSameLosses } from '../../support/same_run.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const place = placesIn(scratchFolder());
const NONE = new Int32Array(0);
const PLM = { name: 'plm', maskToken: '<unk>', maskShare: 0.3, span: 2 };
const recipeOf = (change: Record<string, unknown> = {}, more = {}) => tinyRecipe(place(), { method: PLM, ...change }, more);

describe.each([
  ['all weights', {}, 'model/model.safetensors'],
  ['an adapter with dropout', { adapter: ADAPTER }, 'adapter/adapter_model.safetensors'],
])('plm of %s', (_what, change, weights) => {
  it('learns: what is predicted of held-out rows becomes likelier', async () => {
    const long = { train: { steps: 40, learningRate: 1e-2, rowsPerStep: 8, checkpointEvery: 20 } };
    const events = await trained(recipeOf({ ...long, ...change, evaluate: { fraction: 0.2, every: 20 } }));
    const found = evaluationsOf(events).map(({ nll }) => nll as number);
    expect(found).toHaveLength(3);
    expect(found[2]).toBeLessThan(0.9 * (found[0] as number));
  });

  it('resumes in the bytes of a run that was never stopped', () => expectSameBytes(recipeOf(change), place(), weights));

  it('loses the same however a step is cut', () => expectSameLosses((train) => recipeOf({ ...change, train })));
});

describe('the order of a text', () => {
  it('gives the loss of plain passes, one a predicted token, over what comes before it in the order', async () => {
    const recipe = recipeOf({ train: { rowsPerStep: 3, steps: 1, shuffle: false } });
    const [{ loss } = { loss: 0 }] = stepsOf(await trained(recipe));
    const { dataset } = await previewRecipe(recipe, { rows: 3 });
    const native = await loadNative(await openModelFolder(recipe.model), { dtype: 'f32', threads: 1 });
    let [sum, count] = [0, 0];
    for (const { ids, targets = NONE, layout } of dataset.sequences.slice(0, 3)) {
      const places = layout?.positions ?? NONE;
      const contents = targets.indexOf(targets.find((id) => id >= 0) ?? -1);
      for (let query = contents; query < ids.length; query++, count++) {
        const before = contents - (ids.length - contents) + 1 + (query - contents);
        // Tokens behind the query are there for its position to be one of the sequence; attention is causal.
        const order = [...Array.from({ length: before }, (_, i) => i), query, ...new Array(ids.length).fill(0)];
        const tokens = Int32Array.from(order, (i) => ids[i] as number);
        const positions = Int32Array.from(order, (i) => places[i] as number);
        const target = { targetRows: Int32Array.of(before), targetIds: Int32Array.of(targets[query] as number) };
        const batch = { tokens, positions, sequenceStarts: Int32Array.of(0, tokens.length), targets: tokens.map(() => -1), ...target };
        sum -= (await native.forward(batch)).logprob[0] as number;
      }
    }
    native.dispose();
    expect(count).toBeGreaterThan(10);
    expectRatio(loss, sum / count, ROUNDINGS, 'loss');
  });

  it('is another on every pass over a row, and as many tokens are predicted as maskShare says', async () => {
    const steps = stepsOf(await trained(recipeOf({ train: { rowsPerStep: 24, steps: 3, learningRate: 1e-9 } })));
    expect(new Set(steps.map(({ loss }) => loss)).size).toBe(3);
    // Of n tokens, n - 1 may be predicted; each that is stands twice but the last.
    for (const { trainedTokens, tokens } of steps) {
      const own = tokens - trainedTokens;
      expect(Math.abs(trainedTokens / own - 0.3)).toBeLessThan(shareBound(0.3, own));
    }
  });

  it('is shown by preview: places, and what the mask stands for', async () => {
    const { dataset, tokenizer } = await previewRecipe(recipeOf(), { rows: 3 });
    const { rows } = previewRows(dataset, tokenizer, 3);
    const [mask] = await tokenizer.encode('<unk>', { special: true });
    for (const { ids, trained: marks, targets = [], positions = [], text } of rows) {
      expect(marks).toEqual(targets.map((id) => Number(id >= 0)));
      expect(ids.filter((_, i) => marks[i] === 1)).toEqual(targets.filter((id) => id >= 0).map(() => mask));
      const read: number[] = [];
      for (const [i, place] of positions.entries()) read[place] = marks[i] === 1 ? (targets[i] as number) : (ids[i] as number);
      expect(tokenizer.decode(Int32Array.from(read))).toContain(text);
    }
  });
});

describe('refusals', () => {
  it.each([
    [{ method: 'plm' }, {}, 'missing_mask', /name a token that texts do not use/],
    [{ method: { ...PLM, maskToken: 'no token' } }, {}, 'bad_option', /"no token" is 8 of them/],
    [{}, { model: { rope_scaling: { rope_type: 'dynamic', factor: 2 } } }, 'wrong_network', /rotary embedding of kind dynamic/],
  ])('says what is wrong and what to do: %#', async (change, more, code, message) => {
    await expect(trained(recipeOf(change, more))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
