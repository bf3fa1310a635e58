import { describe, expect, it } from 'vitest';
import { acceptedRows, type Kind } from '../../../lib/data/rows/kinds.js';
import { previewRows, renderPreview } from '../../../lib/data/sequences/preview.js';
import { holdOut } from '../../../lib/data/sequences/split.js';
import { RequestError } from '../../../lib/errors/index.js';
import { failure } from '../room.js';
import { pairs, simpleChat } from '../rows/pairs.js';
import { jsonl, type load, loadFor, TAKEN, write } from './load.js';

const PAIR = { prompt: 'The cat', chosen: ' sat.', rejected: ' ran.' };
const THUMB = { prompt: 'The cat', completion: ' sat.', label: true };
const ASK = { prompt: 'The cat' };
const user = (content: string) => ({ role: 'user', content });
const said = (content: string) => ({ role: 'assistant', content });

const METHODS: Record<string, readonly Kind[]> = {
  ...Object.fromEntries(Object.keys(TAKEN).map((method) => [method, acceptedRows(method, TAKEN).kinds])),
};

describe('rows that a method cannot take', () => {
  const ranked = (...answers: unknown[]) => ({ prompt: 'Q', answers });
  const cases: [method: string, name: string, rows: unknown[], line: number, words: string[]][] = [
    ['dpo', 'without prompt', [PAIR, { chosen: 'Yes.', rejected: 'No.' }], 2, ['no column prompt']],
    ['dpo', 'nothing in common', [{ chosen: 'Yes.', rejected: 'No.' }], 1, ['no common beginning', 'column prompt']],
    ['dpo', 'equal answers', [PAIR, { ...PAIR, rejected: PAIR.chosen }], 2, ['equal', 'checks.equalAnswers']],
    ['dpo', 'equal texts', [{ chosen: 'No.', rejected: 'No.' }], 1, ['equal']],
    ['kto', 'equal answers, taken apart', [{ ...PAIR, rejected: PAIR.chosen }], 1, ['equal']],
    ['dpo', 'one half', [PAIR, { prompt: 'x', chosen: 'y' }], 2, ['no column rejected']],
    ['dpo', 'one half first', [{ prompt: 'x', chosen: 'y', rejectd: 'z' }], 1, ['did you mean', 'dpo takes pairs']],
    ['dpo', 'a number', [PAIR, { ...PAIR, chosen: 5 }], 2, ['chosen must be a text or messages', 'not 5']],
    ['dpo', 'a margin that is a text', [{ ...PAIR, margin: '1' }], 1, ['margin must be a number']],
    ['dpo', 'no margin where the first has one', [{ ...PAIR, margin: 1 }, PAIR], 2, ['no column margin']],
    ['dpo', 'answers of sft', [{ prompt: 'x', completion: 'y' }], 1, ['chosen', 'These columns make rows, which pretrain, sft take']],
    ['dpo', 'thumbs', [THUMB], 1, ['chosen', 'thumbs, which kto takes', 'sft']],
    ['dpo', 'texts', [{ text: 'x' }], 1, ['chosen', 'pretrain']],
    ['dpo', 'a chat without prompt', [{ chosen: [said('a')], rejected: [said('b')] }], 1, ['nothing before the last message']],
    ['dpo', 'a chat that ends with the user', [{ chosen: [user('x')], rejected: [said('b')] }], 1, ["must be the assistant's", 'user']],
    [
      'dpo',
      'chats that differ early',
      [{ chosen: [user('x'), said('a')], rejected: [user('y'), said('b')] }],
      1,
      ['differ before', 'message 1'],
    ],
    [
      'dpo',
      'several messages as an answer',
      [PAIR, { ...PAIR, chosen: [user('x'), said('a')] }],
      2,
      ['chosen must be an answer', 'not one of user'],
    ],
    [
      'dpo',
      'a prompt that the chats do not hold',
      [{ ...PAIR, chosen: [user('x'), said('a')], rejected: [user('x'), said('b')] }],
      1,
      ['prompt'],
    ],
    [
      'dpo',
      'transcripts that part at once',
      [{ chosen: '\n\nHuman: a\n\nAssistant: b', rejected: '\n\nHuman: c\n\nAssistant: d' }],
      1,
      ['no common'],
    ],
    ['reward', 'prompts', [ASK], 1, ['chosen', 'grpo']],
    ['reward', 'a ranking of one', [ranked({ text: 'a', rank: 1 })], 1, ['two answers', 'not 1']],
    [
      'reward',
      'a rank that is no number',
      [ranked({ text: 'a', rank: 'best' }, { text: 'b', rank: 2 })],
      1,
      ['answers[0].rank must be a number'],
    ],
    ['reward', 'an answer without rank', [ranked({ text: 'a', rank: 1 }, { text: 'b' })], 1, ['answers[1].rank', 'missing']],
    ['reward', 'an answer without text', [ranked({ text: 'a', rank: 1 }, { rank: 2 })], 1, ['answers[1] has no text']],
    ['reward', 'an answer that is a text', [ranked('a', 'b')], 1, ['answers[0] must be { text, rank }']],
    ['reward', 'a ranking that is a text', [{ prompt: 'x', ranking: 'abc' }], 1, ['ranking must be a list']],
    ['reward', 'one answer in two places', [{ prompt: 'x', ranking: ['a', 'b', 'a'] }], 1, ['equal']],
    ['kto', 'no label', [{ prompt: 'x', completion: 'y' }], 1, ['label', 'sft']],
    ['kto', 'a label that is a word', [THUMB, { ...THUMB, label: 'maybe' }], 2, ['label must be true or false', '"maybe"']],
    ['kto', 'a label that is a number', [{ ...THUMB, label: 1 }], 1, ['label must be true or false, not 1']],
    ['kto', 'a chat that ends with the user', [{ messages: [user('x')], label: true }], 1, ['role assistant, not user']],
    ['grpo', 'texts', [{ text: 'x' }], 1, ['prompt', 'pretrain']],
    ['grpo', 'a chat that ends with the assistant', [{ messages: [user('x'), said('y')] }], 1, ['role user or tool, not assistant']],
    ['sft', 'pairs', [PAIR], 1, ['completion', 'text', 'dpo']],
    ['dpo', 'judged steps', [{ prompt: 'x', completions: ['a'], labels: [true] }], 1, ['dpo takes pairs', 'prompts, which ppo, grpo take']],
  ];
  it.each(cases)('%s: %s', async (method, _name, rows, line, words) => {
    const path = jsonl(...rows);
    const error = await failure(() => loadFor(method, METHODS[method] ?? [], path, { chat: simpleChat }));
    expect(error.message.startsWith(`${path}:${line}: `)).toBe(true);
    expect(error.line).toBe(line);
    for (const word of words) expect(error.message).toContain(word);
  });

  it('are named by the methods that take them', () => {
    expect(acceptedRows('kto', TAKEN)).toEqual({
      method: 'kto',
      kinds: ['thumbs', 'pairs'],
      methodsOf: {
        pairs: ['reward', 'dpo', 'kto'],
        rankings: ['reward'],
        thumbs: ['kto'],
        rows: ['pretrain', 'sft'],
        prompts: ['ppo', 'grpo'],
      },
    });
    expect(acceptedRows('sft', TAKEN).kinds).toEqual(['rows']);
  });

  it('thumbs that all point one way', async () => {
    const error = await failure(() => loadFor('kto', ['thumbs', 'pairs'], jsonl(THUMB, THUMB)));
    expect(error.message).toMatch(/\.jsonl: all 2 thumbs have label true; kto learns from both: .* label false/);
    expect((await loadFor('kto', ['thumbs'], jsonl(THUMB), { oneKind: 'keep' })).counts.units).toEqual({ up: 1 });
    expect((await loadFor('kto', ['thumbs'], [jsonl(THUMB), jsonl({ ...THUMB, label: false })])).counts.units).toEqual({ up: 1, down: 1 });
  });

  it('rankings of ties alone', async () => {
    const tie = { prompt: 'Q', answers: ['a', 'b'].map((text) => ({ text, rank: 1 })) };
    expect((await failure(() => loadFor('reward', ['rankings'], jsonl(tie, tie)))).message).toContain(
      'of 2 rows none is left (dropped: ties 2); look at the rows',
    );
  });

  it('templates with no place for them', async () => {
    const common = jsonl({ chosen: 'a b', rejected: 'a c' });
    const refused = async (template: Parameters<typeof load>[1], method = 'dpo', path = common) =>
      (await failure(() => loadFor(method, METHODS[method] ?? [], path, { chat: simpleChat, ...template }), RequestError)).message;
    expect(await refused({ template: 'dolly' })).toContain('give the rows a column prompt');
    expect(await refused({ template: { prompt: '{x}', completion: '{y}' } })).toContain('give { prompt, chosen, rejected }');
    expect(await refused({ template: { text: '{chosen}' } }, 'grpo')).toContain('give { prompt }');
    expect(await refused({ template: { prompt: 'x', chosen: '{chosn}', rejected: '{rejected}' } })).toContain('did you mean {chosen}?');
    const sentence = await failure(() => loadFor('dpo', ['pairs'], common, { chat: simpleChat, template: 'chat' }));
    expect(sentence.message).toMatch(/:1: chosen and rejected are no transcripts/);
  });

  it('reads numbers and truth from tables, where all is text', async () => {
    const thumbs = write('thumbs.csv', 'prompt,completion,label\nQ, a,true\nQ, b,False\n');
    expect((await loadFor('kto', ['thumbs'], thumbs)).sequences.map(({ unit }) => unit?.label)).toEqual([true, false]);
    const margins = write('margins.tsv', 'chosen\trejected\tprompt\tmargin\n a\t b\tQ\t0.5\n');
    expect((await loadFor('reward', ['pairs'], margins)).sequences[0]?.unit?.margin).toBe(0.5);
    const wrong = write('wrong.csv', 'prompt,completion,label\nQ, a,1\n');
    expect((await failure(() => loadFor('kto', ['thumbs'], wrong))).message).toContain('wrong.csv:2: label must be true or false');
  });
});

describe('rows that are too long, or left out', () => {
  const long = { prompt: 'Q\n', chosen: 'word '.repeat(30), rejected: 'no' };
  const checks = { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error' } as const;

  it('cut the answers, and drop a pair whole where one of them is lost', async () => {
    const deep = { ...PAIR, prompt: 'x'.repeat(60) };
    const path = jsonl(PAIR, long, deep);
    for (const overlong of ['split', 'truncate'] as const) {
      const { counts, sequences } = await loadFor('dpo', ['pairs'], path, { maxLength: 20, overlong });
      expect(counts).toMatchObject({
        in: 3,
        kept: 2,
        dropped: { nothing_trained: 1 },
        truncated: 1,
        split: 0,
        pieces: 4,
        units: { pairs: 2 },
      });
      expect(sequences.map(({ ids, line, member }) => [ids.length, line, member])).toEqual([
        [8, 1, 0],
        [8, 1, 1],
        [20, 2, 0],
        [4, 2, 1],
      ]);
    }
    const dropped = await loadFor('dpo', ['pairs'], path, { maxLength: 20, overlong: 'drop' });
    expect(dropped.counts).toMatchObject({ kept: 1, dropped: { overlong: 2 }, pieces: 2 });
    const strict = { ...checks, nothingTrained: 'error' } as const;
    expect((await failure(() => loadFor('dpo', ['pairs'], path, { maxLength: 20, checks: strict }))).message).toContain(':3: no token');
  });

  it('drop pairs that differ behind the cut alone', async () => {
    const path = jsonl(PAIR, { prompt: 'Q\n', chosen: `${'ab'.repeat(20)}x`, rejected: `${'ab'.repeat(20)}y` });
    expect((await loadFor('dpo', ['pairs'], path, { maxLength: 10 })).counts.dropped).toEqual({ equal_when_cut: 1 });
    expect((await loadFor('dpo', ['pairs'], path)).counts.dropped).toEqual({});
  });

  it('drop equal answers where the recipe allows it', async () => {
    const path = jsonl(PAIR, { ...PAIR, rejected: PAIR.chosen });
    const { counts } = await loadFor('dpo', ['pairs'], path, { checks: { ...checks, equalAnswers: 'drop' } });
    expect(counts).toMatchObject({ in: 2, kept: 1, dropped: { equal_answers: 1 } });
  });

  it('never cut a prompt', async () => {
    const path = jsonl(ASK, { prompt: 'x'.repeat(60) });
    expect((await loadFor('grpo', ['prompts'], path, { maxLength: 20 })).counts).toMatchObject({ kept: 1, dropped: { overlong: 1 } });
  });

  it('are held out by their prompt', async () => {
    const rows = Array.from({ length: 200 }, (_, n) => ({ ...PAIR, prompt: `Q${n % 50}`, chosen: ` a${n}` }));
    const { train, heldOut } = holdOut(await loadFor('dpo', ['pairs'], jsonl(...rows)), 0.2);
    const prompts = (all: typeof train) => new Set(all.map(({ line }) => rows[line - 1]?.prompt));
    expect(heldOut.length).toBeGreaterThan(16);
    expect([...prompts(heldOut)].filter((prompt) => prompts(train).has(prompt))).toEqual([]);
    expect(heldOut.length % 2).toBe(0);
    const unprompted = rows.map((row) => ({ ...row, prompt: '' }));
    expect(holdOut(await loadFor('dpo', ['pairs'], jsonl(...unprompted)), 0.2).train.length).toBeGreaterThan(0);
  });
});

describe('preview of pairs, thumbs and prompts', () => {
  it('shows a pair as two rows and a ranking as its pairs', async () => {
    const ranking = { prompt: 'Q:', ranking: [' a', ' b', ' c'] };
    const path = jsonl(PAIR, ranking, PAIR);
    const dataset = await loadFor('reward', ['pairs', 'rankings'], jsonl(ranking, ranking));
    const { rows } = previewRows(dataset, pairs, 100);
    expect(rows.map(({ text, role, source }) => [text, role, source.line]).slice(0, 6)).toEqual([
      ['Q: a', 'chosen', 1],
      ['Q: b', 'rejected', 1],
      ['Q: a', 'chosen', 1],
      ['Q: c', 'rejected', 1],
      ['Q: b', 'chosen', 1],
      ['Q: c', 'rejected', 1],
    ]);
    expect(rows).toHaveLength(12);
    expect(previewRows(dataset, pairs, 3).rows.map(({ text }) => text)).toEqual(['Q: a', 'Q: b', 'Q: a', 'Q: c']);
    const both = await failure(() => loadFor('reward', ['pairs', 'rankings'], path));
    expect(both.message).toContain(':2: no column');
  });

  it('says what each row is', async () => {
    const dataset = await loadFor('kto', ['thumbs'], jsonl(THUMB, { ...THUMB, label: false }));
    expect(previewRows(dataset, pairs, 9).rows.map(({ role }) => role)).toEqual(['up', 'down']);
    const shown = renderPreview(dataset, pairs, 9, false);
    expect(shown).toContain(':2 down, 8 tokens, 4 trained');
    expect(shown).toContain('2 rows, 2 kept. 1 thumbs up, 1 thumbs down, 2 sequences, 16 tokens, 8 trained.');
    const prompts = await loadFor('grpo', ['prompts'], jsonl(ASK));
    expect(previewRows(prompts, pairs, 9).rows).toMatchObject([{ role: 'prompt', text: 'The cat', trained: [0, 0, 0, 0, 0] }]);
  });
});
