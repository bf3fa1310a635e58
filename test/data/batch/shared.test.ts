/** Real files: those of ../shared, as other programs wrote them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { microBatches, packBatch } from '../../../lib/data/batch/pack.js';
import { StepPlan } from '../../../lib/data/order/plan.js';
import { readRows } from '../../../lib/data/read/read.js';
import type { DatasetOptions } from '../../../lib/data/sequences/dataset.js';
import { loadDataset } from '../../../lib/data/sequences/load.js';
import { holdOut } from '../../../lib/data/sequences/split.js';
import { openChat, openTokenizer } from '../../../lib/tokenizer/index.js';
import { rowsIn, sharedPath, stories260k, WITHOUT } from '../../support/shared.js';
import { all, failure } from '../room.js';

const root = sharedPath('data') ?? '';
const shared = describe.skipIf(root === '');
const at = (...parts: string[]) => join(root, ...parts);
const values = async (path: string) => (await all(readRows(path))).map(({ value }) => value);

shared(`files of ../shared ${WITHOUT}`, () => {
  it.each(['snappy', 'zstd_rg100', 'gzip_nodict'])('Parquet, %s', async (packing) => {
    expect(await values(at(`docs/parquet/dolly_500_${packing}.parquet`))).toEqual(rowsIn(at('docs/parquet/expected_rows_1200_1699.jsonl')));
  });

  it('Parquet of messages, and of every type', async () => {
    const [row] = await values(at('docs/parquet/chat_100_nested_snappy.parquet'));
    expect(row).toMatchObject({ messages: [{ role: 'user', content: expect.any(String) }, { role: 'assistant' }] });
    for (const name of [
      'alltypes_plain',
      'binary',
      'nested_lists.snappy',
      'nulls.snappy',
      'list_columns',
      'datapage_v2.snappy',
      'concatenated_gzip_members',
    ])
      expect((await values(at(`docs/parquet/${name}.parquet`))).length).toBeGreaterThan(0);
  });

  it('CSV with quotes and line ends inside fields, lines counted', async () => {
    const rows = await all(readRows(at('docs/csv/dolly_200.csv')));
    expect(rows.map(({ value }) => value)).toEqual(rowsIn(at('instruct/dolly_dev.jsonl.gz')).slice(600, 800));
    const lines = readFileSync(at('docs/csv/dolly_200.csv'), 'utf8').split('\n');
    for (const { value, line } of rows)
      expect(lines[line - 1]?.replace(/^"/, '').slice(0, 10)).toBe(
        String(value.instruction).split('\n')[0]?.replaceAll('"', '""').slice(0, 10),
      );
    expect(await values(at('docs/csv/fake_people_100.csv'))).toHaveLength(100);
  });

  it.each([
    ['csv/dolly_100_semicolon_cp1252.csv', 'separated by ";"'],
    ['csv/mskanji_cp932.csv', ':1: not valid UTF-8'],
    ['csv/line_delimiter.csv', 'separated by "|"'],
    ['csv/escaped_commas.csv', 'column A is there twice'],
    ['text/alice_utf16le.txt', 'looks like UTF-16'],
    ['text/alice_utf16be.txt', 'looks like UTF-16'],
    ['text/alice_cp1252.txt', 'not valid UTF-8'],
    ['text/alice_crlf_nul.txt', 'NUL byte'],
  ])('%s is refused: %s', async (name, words) => {
    expect((await failure(() => all(readRows(at('docs', name))))).message).toContain(words);
  });

  it('a mark at the start of a text is no content', async () => {
    const [marked] = await values(at('docs/text/alice_utf8_bom.txt'));
    const [plain] = await values(at('general/alice_in_wonderland.txt'));
    expect(String(plain?.text).startsWith(String(marked?.text).slice(0, 1000))).toBe(true);
  });
});

const checks = { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error' } as const;
type Change = Partial<DatasetOptions>;

describe.skipIf(stories260k === undefined)(`a real tokenizer on real rows ${WITHOUT}`, async () => {
  if (stories260k === undefined) return;
  const tokenizer = await openTokenizer(stories260k);
  const chatml = '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}';
  const chat = openChat({ chatTemplate: () => chatml, specialTokens: { eos_token: '</s>' } });
  const load = (name: string, change: Change = {}) =>
    loadDataset({
      data: [{ path: at(name), weight: 1 }],
      tokenizer,
      template: 'auto',
      trained: 'answers',
      checks,
      maxLength: 512,
      overlong: 'split',
      ...change,
    });

  it('dolly: the trained tokens are the response and the end token, and only they', async () => {
    const rows = rowsIn(at('instruct/dolly_small.jsonl'));
    const { sequences, counts } = await load('instruct/dolly_small.jsonl', { maxLength: 1e9 });
    expect(counts).toMatchObject({ in: 600, kept: 600, dropped: {} });
    for (const { ids, trained, line } of sequences) {
      const first = trained.indexOf(1);
      expect([...trained].slice(first).every(Boolean)).toBe(true);
      expect(ids[0]).toBe(tokenizer.bos);
      expect(ids.at(-1)).toBe(tokenizer.eos);
      const text = tokenizer.decode(ids.slice(first, -1));
      const response = String(rows[line - 1]?.response);
      expect(text.endsWith(response)).toBe(true);
      expect(text.length - response.length).toBeLessThan(8); // at most the part of one token before the border
    }
  });

  it('splitting loses no token of any file, in any shape', async () => {
    for (const [name, template] of [
      ['biomed/pubmedqa_dev.jsonl', { text: '{question}\n\n{long_answer}' }],
      ['instruct/self_instruct_dev.jsonl', 'alpaca'],
      ['general/inaugural_dev.jsonl.gz'],
      ['general/alice_in_wonderland.txt'],
    ] as const) {
      const change: Change = template === undefined ? { trained: 'all' } : { template };
      const [whole, split] = [await load(name, { ...change, maxLength: 1e9 }), await load(name, change)];
      expect(split.counts.tokens).toBe(whole.counts.tokens);
      expect(split.counts.kept).toBe(split.counts.in - (split.counts.dropped.nothing_trained ?? 0));
      for (const { ids } of split.sequences) expect(ids.length).toBeLessThanOrEqual(512);
    }
  });

  it('ShareGPT with function calls: every answer of the assistant is trained', async () => {
    const name = 'instruct/toolcall_chat_dev.jsonl.gz';
    const { sequences, counts, mappings } = await load(name, { chat, maxLength: 1e9 });
    expect(counts).toMatchObject({ in: 221, kept: 221 });
    expect(mappings[0]).toMatchObject({ shape: 'conversations', template: 'chat' });
    for (const [n, row] of rowsIn(at(name)).slice(0, 40).entries()) {
      const turns = row.conversations as { from: string }[];
      const own = sequences[n]?.trained ?? new Uint8Array();
      const runs = own.reduce((sum, flag, i) => sum + Number(flag === 1 && own[i - 1] !== 1), 0);
      expect(runs).toBe(turns.filter(({ from }) => from === 'gpt' || from === 'function_call').length);
    }
  });

  it('an epoch packs every token of the training rows once', async () => {
    const dataset = await load('instruct/dolly_small.jsonl');
    const { train, heldOut } = holdOut(dataset, 0.1);
    expect(heldOut.length).toBeGreaterThan(20);
    const plan = new StepPlan({ sequences: train, sources: dataset.sources }, { tokensPerStep: 4096, epochs: 1, shuffle: true, seed: 7 });
    let [tokens, trained, steps] = [0, 0, 0];
    for (let rows = plan.next(); rows !== undefined; rows = plan.next()) {
      steps++;
      for (const group of microBatches(train, rows, 1024)) {
        const batch = packBatch(train, group);
        expect(batch.tokens.length).toBeLessThanOrEqual(1024);
        tokens += batch.tokens.length;
        trained += batch.trainedTokens;
      }
    }
    const usable = train.filter(({ trainedTokens }) => trainedTokens > 0);
    expect(tokens).toBe(usable.reduce((sum, { ids }) => sum + ids.length, 0));
    expect(trained).toBe(usable.reduce((sum, { trainedTokens }) => sum + trainedTokens, 0));
    expect(steps).toBe(
      new StepPlan({ sequences: train, sources: dataset.sources }, { tokensPerStep: 4096, epochs: 1, shuffle: true, seed: 7 }).count(),
    );
  });
});
