import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../../lib/evaluation/index.js';
import { loadModel, type Model } from '../../lib/evaluation/model.js';
import { expectRatio, ROUNDINGS } from '../support/bounds.js';
import { tinyText, writeRows } from '../support/events.js';
import { sharedPath, stories260k, WITHOUT } from '../support/shared.js';
import { scratchFolder, writeTinyModel } from '../support/tiny_model.js';

const scratch = scratchFolder();
let files = 0;
function rows(...values: object[]): string {
  return writeRows(join(scratch, `rows${++files}.jsonl`), values);
}

const folder = writeTinyModel(join(scratch, 'model'));
let model: Model;
beforeAll(async () => {
  model = await loadModel(folder, { dtype: 'f32', threads: 1 });
});
afterAll(() => model.dispose());

const texts = Array.from({ length: 6 }, (_, n) => ({ text: tinyText(n) }));
const sum = ({ nll, tokens }: { nll: number; tokens: number }) => nll * tokens;

describe('evaluate', () => {
  it('predicts every token but a row’s first, and no end token of a text', async () => {
    const { nll, tokens, perplexity, rows: count } = await model.evaluate({ data: rows({ text: 'ab' }) });
    expect([tokens, count]).toEqual([2, 1]); // <s> a b: a and b are predicted
    const logits = await model.native.logits(Int32Array.of(256, 97, 98), Int32Array.of(0, 3));
    const logSoftmax = (position: number, id: number) => {
      const row = logits.subarray(position * 264, (position + 1) * 264);
      return (row[id] as number) - Math.log(row.reduce((total, value) => total + Math.exp(value), 0));
    };
    expectRatio(nll, -(logSoftmax(0, 97) + logSoftmax(1, 98)) / 2, ROUNDINGS, 'nats');
    expect(perplexity).toBe(Math.exp(nll));
  });

  it('counts a row the same alone and among others', async () => {
    const together = await model.evaluate({ data: rows(...texts) });
    let total = 0;
    for (const text of texts) total += sum(await model.evaluate({ data: rows(text) }));
    expectRatio(sum(together), total, ROUNDINGS, 'nats');
    expect(together.rows).toBe(6);
  });

  it('counts the answer and its end token alone when told so', async () => {
    const data = rows({ prompt: 'Q: x\nA:', completion: ' yes' });
    const all = await model.evaluate({ data });
    const answer = await model.evaluate({ data, trainedOnly: true });
    expect(answer.tokens).toBe(5);
    expect(all.tokens).toBe(7 + 5);
  });

  it('cuts rows at the given length, else at the context', async () => {
    const data = rows({ text: 'x'.repeat(400) });
    expect((await model.evaluate({ data })).tokens).toBe(255);
    expect((await model.evaluate({ data, maxLength: 10 })).tokens).toBe(9);
    await expect(model.evaluate({ data, maxLength: 257 })).rejects.toMatchObject({ code: 'beyond_context', kind: 'request' });
  });

  it('says where rows are wrong, or that nothing is left', async () => {
    await expect(model.evaluate({ data: join(scratch, 'none.jsonl') })).rejects.toMatchObject({ kind: 'data' });
    await expect(model.evaluate({ data: rows({ text: 'x' }, { text: 5 }) })).rejects.toMatchObject({ kind: 'data', line: 2 });
    await expect(model.evaluate({ data: rows({ text: '' }) })).rejects.toMatchObject({ code: 'nothing_to_evaluate', kind: 'data' });
  });

  it('tells how far it is, and stops when asked', async () => {
    const seen: number[] = [];
    await model.evaluate({ data: rows(...texts), onProgress: ({ rows: done }) => seen.push(done) });
    expect(seen.at(-1)).toBe(6);
    await expect(model.evaluate({ data: rows(...texts), signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it.skipIf(stories260k === undefined)(`finds the recorded nats of the real tiny model ${WITHOUT}`, async () => {
    const known = JSON.parse(readFileSync(join(stories260k as string, 'reference_dev.json'), 'utf8'));
    const stories = gunzipSync(readFileSync(sharedPath('data/general/tinystories_dev.jsonl.gz') as string))
      .toString()
      .split('\n');
    const data = join(scratch, 'stories.jsonl');
    writeFileSync(data, stories.slice(0, known.nll.length).join('\n'));
    const { nll } = await evaluate({ model: stories260k as string, data, maxLength: known.truncated_to, dtype: 'f32' });
    expectRatio(nll, known.mean_nll_all, ROUNDINGS, 'nats'); // recorded in fp32, too
  });
});
