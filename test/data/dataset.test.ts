import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutRow } from '../../lib/data/cut.js';
import { type DatasetOptions, loadDataset } from '../../lib/data/dataset.js';
import { describeMapped } from '../../lib/data/examples.js';
import { previewRows, renderPreview } from '../../lib/data/preview.js';
import { holdOut } from '../../lib/data/split.js';
import { parseTemplate } from '../../lib/data/template.js';
import { RequestError } from '../../lib/errors/index.js';
import { pairs, simpleChat } from './pairs.js';
import { failure, makeRoom } from './room.js';

const { write } = makeRoom();
let count = 0;
const jsonl = (...rows: unknown[]) => write(`rows-${count++}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

type Change = Partial<Omit<DatasetOptions, 'data'>>;
function load(path: string | string[], change: Change = {}) {
  const data = [path].flat().map((one) => ({ path: one, weight: 1 }));
  const checks = { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error' } as const;
  return loadDataset({
    data,
    tokenizer: pairs,
    template: 'auto',
    trained: 'answers',
    checks,
    maxLength: 1e6,
    overlong: 'split',
    keepText: 99,
    ...change,
  });
}

/** Trained stretches of a sequence as text; the end token shows as `</s>`. */
function trainedText({ ids, trained }: { ids: Int32Array; trained: Uint8Array }): string[] {
  const runs: number[][] = [];
  for (const [i, id] of ids.entries()) {
    if (trained[i] === 1 && trained[i - 1] !== 1) runs.push([]);
    if (trained[i] === 1) runs.at(-1)?.push(id);
  }
  return runs.map((run) => pairs.decode(run));
}

async function single(row: unknown, change: Change = {}) {
  const { sequences } = await load(jsonl(row), change);
  expect(sequences).toHaveLength(1);
  const [sequence] = sequences;
  if (sequence === undefined) throw new Error('no sequence');
  return { ...sequence, whole: pairs.decode(sequence.ids), answers: trainedText(sequence) };
}

describe('rows to ids', () => {
  it('a text row is (BOS) text EOS, all trained but the first token', async () => {
    const { ids, trained, whole } = await single({ text: 'a text' });
    expect(ids[0]).toBe(1);
    expect(whole).toBe('a text</s>');
    expect([...trained]).toEqual([0, 1, 1, 1, 1]);
  });

  it('of prompt and completion the completion is trained, the token that straddles the border, and the EOS', async () => {
    expect((await single({ prompt: 'Q:', completion: 'yes!' })).answers).toEqual(['yes!</s>']);
    expect((await single({ prompt: 'Q: ', completion: 'yes' })).answers).toEqual([' yes</s>']);
    expect((await single({ prompt: '', completion: 'yes' })).answers).toEqual(['yes</s>']);
    expect((await single({ prompt: 'yes', completion: 'yes' })).whole).toBe('yesyes</s>');
  });

  it('never trains the first token, with no BOS either', async () => {
    const { ids, trained } = await single({ prompt: '', completion: 'yes!' }, { tokenizer: { ...pairs, bos: null } });
    expect(ids).toHaveLength(3);
    expect([...trained]).toEqual([0, 1, 1]);
  });

  it('pretrain trains the whole row, with the same ids', async () => {
    const row = { prompt: 'Q:', completion: 'yes!' };
    const [sft, pretrain] = [await single(row), await single(row, { trained: 'all' })];
    expect(pretrain.ids).toEqual(sft.ids);
    expect([...pretrain.trained]).toEqual([0, 1, 1, 1, 1]);
  });

  it('of a chat the answers and their end tokens are trained, and nothing is added', async () => {
    const messages = [
      { role: 'user', content: 'ab' },
      { role: 'assistant', content: 'cd' },
      { role: 'user', content: 'ef' },
      { role: 'assistant', content: 'gh' },
    ];
    const { whole, answers } = await single({ messages }, { chat: simpleChat });
    expect(whole).toBe('[user]ab</s>\n[assistant]cd</s>\n[user]ef</s>\n[assistant]gh</s>\n');
    expect(answers.every((answer) => /^\]?(cd|gh)<\/s>$/.test(answer))).toBe(true);
    expect(answers).toHaveLength(2);
    const shared = { conversations: messages.map(({ role, content }) => ({ from: role === 'user' ? 'human' : 'gpt', value: content })) };
    expect((await single(shared, { chat: simpleChat })).whole).toBe(whole);
    const all = await single({ messages }, { chat: simpleChat, trained: 'all' });
    expect([...all.trained]).toEqual([0, ...Array(all.ids.length - 1).fill(1)]);
  });

  it('evaluates a text without an end token', async () => {
    expect((await single({ text: 'ab' }, { end: 'answers' })).whole).toBe('ab');
    expect((await single({ prompt: 'a', completion: 'b' }, { end: 'answers' })).whole).toBe('ab</s>');
    expect((await single({ prompt: 'a', completion: 'b' }, { end: 'never', trained: 'all' })).whole).toBe('ab');
  });
});

describe('templates', () => {
  const dolly = { instruction: 'Do it.', context: 'Here', response: 'Done.' };
  const alpaca = { instruction: 'Do it.', input: 'Here', output: 'Done.' };

  it.each(['dolly', 'alpaca', 'plain', 'chat', 'auto'] as const)('%s takes the names of dolly and of alpaca', async (template) => {
    const [one, two] = [await single(dolly, { template, chat: simpleChat }), await single(alpaca, { template, chat: simpleChat })];
    expect(one.ids).toEqual(two.ids);
    expect(one.whole).toContain('Do it.');
    expect(one.whole).toContain('Here');
    expect(one.answers).toHaveLength(1);
    expect(one.answers[0]).toMatch(/^.?Done\.<\/s>$/s);
    const bare = await single({ instruction: 'Do it.', context: null, response: 'Done.' }, { template, chat: simpleChat });
    expect(bare.whole).not.toContain('Input');
    expect(bare.whole).not.toContain('Here');
  });

  it('auto takes the chat template for instructions where the model has one, else dolly; pairs are joined', async () => {
    expect((await single(dolly, { chat: simpleChat })).whole).toBe('[user]Do it.\n\nHere</s>\n[assistant]Done.</s>\n');
    expect((await single(dolly)).whole).toContain('### Instruction:');
    expect((await single({ prompt: 'a', completion: 'b' }, { chat: simpleChat })).whole).toBe('ab</s>');
    expect((await single({ prompt: 'a', completion: 'b' }, { chat: simpleChat, template: 'chat' })).whole).toBe(
      '[user]a</s>\n[assistant]b</s>\n',
    );
    expect((await single({ prompt: 'a', completion: 'b' }, { template: 'dolly' })).whole).toContain('### Instruction:\na');
  });

  it('one of your own takes any columns, and fills each once', async () => {
    const template = { prompt: 'Q: {question}\nA:', completion: ' {answer} ({n}) {{n}}' };
    const { whole, answers } = await single({ question: 'What is {answer}?', answer: 'x', n: 3 }, { template });
    expect(whole).toBe('Q: What is {answer}?\nA: x (3) {n}</s>');
    expect(answers[0]).toContain(' x (3) {n}</s>');
    expect((await single(alpaca, { template: { prompt: '{instruction}{context}', completion: '{response}' } })).whole).toBe(
      'Do it.HereDone.</s>',
    );
    const text = await single({ title: 'T', body: 'B' }, { template: { text: '{title}: {body}' } });
    expect(text.whole).toBe('T: B</s>');
    expect([...text.trained]).toEqual([0, 1, 1, 1]);
  });

  it('names a placeholder that is no column, with the place in the recipe', async () => {
    const template = { prompt: '{nonsense}', completion: '{text}' };
    const error = await failure(
      () => load(jsonl({ text: 'x', textt: 'y' }), { template, place: () => ({ file: 'r.yaml', line: 3, column: 1 }) }),
      RequestError,
    );
    expect(error.message).toMatch(/^r\.yaml:3:1: template: \{nonsense\} is no column of .*; its columns are text, textt/);
    const near = await failure(() => load(jsonl({ text: 'x' }), { template: { text: '{txet}' } }), RequestError);
    expect(near.message).toContain('did you mean {text}?');
  });

  it('refuses what does not fit', async () => {
    const messages = [{ role: 'user', content: 'x' }];
    expect((await failure(() => load(jsonl({ messages }), { template: 'dolly' }), RequestError)).message).toContain('use template: chat');
    expect((await failure(() => load(jsonl({ messages })), RequestError)).code).toBe('no_chat_template');
    const refused = await failure(() =>
      load(jsonl({ messages }, { messages: [{ role: 'nobody', content: 'x' }] }), {
        chat: simpleChat,
        checks: { nothingTrained: 'drop', noStop: 'keep', doubleBos: 'keep' },
      }),
    );
    expect(refused.message).toMatch(/\.jsonl:2: Conversation roles must be known$/);
  });

  it('cuts a template into text and placeholders', () => {
    expect(parseTemplate('a {b} {{c}} {d e} {"f": 1}{g}')).toEqual([
      { text: 'a ' },
      { placeholder: 'b' },
      { text: ' ' },
      { text: '{c}' },
      { text: ' {d e} {"f": 1}' },
      { placeholder: 'g' },
    ]);
  });
});

describe('shapes', () => {
  it('says how columns were understood', async () => {
    const path = jsonl({ instruction: 'a', input: '', output: 'b' });
    const { mappings } = await load([path, jsonl({ text: 'x', id: 3 }, { text: 'y', id: 4 })]);
    expect(mappings.map(describeMapped)[0]).toBe(`${path}: 1 row of instruction (response ← output, context ← input), template dolly`);
    expect(mappings[1]).toMatchObject({ shape: 'text', template: 'text', rows: 2 });
  });

  const cases: [name: string, rows: unknown[], line: number, words: string[]][] = [
    ['a text that is a number', [{ text: 'x' }, { text: 5 }], 2, ['text must be a text, not 5']],
    ['a text that is a nest of lists', [{ text: 'x' }, { text: [[[[]]]] }], 2, ['not a list']],
    ['a text that is null', [{ text: null }], 1, ['not null']],
    ['another key', [{ text: 'x' }, { text: 'x' }, { txet: 'x' }], 3, ['no column text', 'txet may be meant']],
    ['another shape', [{ text: 'x' }, { prompt: 'x', completion: 'y' }], 2, ['text rows', 'prompt, completion']],
    ['unknown keys', [{ foo: 'x', bar: 'y' }], 1, ['foo, bar', 'text', 'instruction']],
    ['unknown keys, one near', [{ txt: 'x' }], 1, ['did you mean text?']],
    ['no keys', [{}], 1, ['(none)']],
    ['inherited keys', [{ toString: 'x' }], 1, ['toString']],
    ['a prompt without completion', [{ prompt: 'x' }], 1, ['prompt and completion']],
    ['messages that are no list', [{ messages: 'x' }], 1, ['messages must be a list', 'a text']],
    ['no messages', [{ messages: [] }], 1, ['empty']],
    ['a message without role', [{ messages: [{ content: 'x' }] }], 1, ['messages[0].role must be a text, not missing']],
    ['content that is a list', [{ messages: [{ role: 'user', content: [] }] }], 1, ['messages[0].content', 'a list']],
    ['a message that is a text', [{ messages: ['x'] }], 1, ['messages[0] must be an object']],
    ['an unknown speaker', [{ conversations: [{ from: 'gtp', value: 'x' }] }], 1, ['conversations[0].from', 'did you mean gpt?']],
    ['tools that are no JSON', [{ messages: [{ role: 'user', content: 'x' }], tools: '[' }], 1, ['tools']],
  ];
  it.each(cases)('%s', async (_name, rows, line, words) => {
    const path = jsonl(...rows);
    const error = await failure(() => load(path, { chat: simpleChat }));
    expect(error.message.startsWith(`${path}:${line}: `)).toBe(true);
    expect(error.line).toBe(line);
    for (const word of words) expect(error.message).toContain(word);
  });

  it('refuses half a character', async () => {
    const path = write('half.jsonl', '{"text": "ok \\ud83e\\uddec"}\n{"text": "\\ud83e"}\n');
    expect((await failure(() => load(path))).message).toContain(':2: text holds half of a surrogate pair');
  });

  it('takes function calls of ShareGPT as answers, and the column system as the first message', async () => {
    const conversations = ['human', 'function_call', 'observation', 'gpt'].map((from, n) => ({ from, value: `t${n}` }));
    const { whole, answers } = await single({ conversations, system: 'Be.', tools: '[]' }, { chat: simpleChat });
    expect(whole).toBe('[system]Be.</s>\n[user]t0</s>\n[assistant]t1</s>\n[tool]t2</s>\n[assistant]t3</s>\n');
    expect(answers.map((answer) => answer.replace(']', ''))).toEqual(['t1</s>', 't3</s>']);
  });
});

describe('checks, and rows that are too long', () => {
  const rows = [3, 40, 5, 60].map((n) => ({ prompt: 'Q\n', completion: 'word '.repeat(n) }));

  it('drop, truncate and split, counted in rows', async () => {
    const path = jsonl(...rows);
    const whole = (await load(path)).sequences;
    const ask = (overlong: 'drop' | 'truncate' | 'split') => load(path, { overlong, maxLength: 50 });
    const [dropped, cut, split] = [await ask('drop'), await ask('truncate'), await ask('split')];
    expect(dropped.counts).toMatchObject({ in: 4, kept: 2, dropped: { overlong: 2 }, pieces: 2 });
    expect(dropped.sequences.map(({ line }) => line)).toEqual([1, 3]);
    expect(cut.counts).toMatchObject({ in: 4, kept: 4, dropped: {}, truncated: 2 });
    expect(cut.sequences.map(({ ids }) => [...ids])).toEqual(whole.map(({ ids }) => [...ids].slice(0, 50)));
    expect(split.counts).toMatchObject({ in: 4, kept: 4, split: 2, pieces: 9 });
    for (const { line, ids } of whole) {
      const own = split.sequences.filter((piece) => piece.line === line);
      expect(own.flatMap((piece) => [...piece.ids])).toEqual([...ids]);
      for (const piece of own) expect([piece.trained[0], piece.ids.length <= 50]).toEqual([0, true]);
    }
  });

  it('cuts any row without loss', () => {
    const row = fc.array(fc.tuple(fc.nat(9), fc.nat(1)), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(row, fc.integer({ min: 1, max: 12 }), (tokens, length) => {
        const ids = Int32Array.from(tokens, ([id]) => id);
        const trained = Uint8Array.from(tokens, ([, flag], n) => (n === 0 ? 0 : flag));
        const pieces = cutRow(ids, trained, length, 'split');
        expect(pieces.flatMap((piece) => [...piece.ids])).toEqual([...ids]);
        const flags = pieces.flatMap((piece) => [...piece.trained]);
        expect(flags).toEqual([...trained].map((flag, n) => (n % length === 0 ? 0 : flag)));
        expect(pieces.reduce((sum, piece) => sum + piece.trainedTokens, 0)).toBe(flags.filter(Boolean).length);
        expect(cutRow(ids, trained, length, 'drop')).toHaveLength(ids.length > length ? 0 : 1);
      }),
    );
  });

  it('a row of which nothing trained is left is dropped and counted, or an error', async () => {
    const long = { prompt: 'A long question. '.repeat(20), completion: 'yes' };
    const path = jsonl({ prompt: 'Q', completion: 'A' }, long);
    const { counts } = await load(path, { overlong: 'truncate', maxLength: 16 });
    expect(counts).toMatchObject({ in: 2, kept: 1, dropped: { nothing_trained: 1 } });
    const checks = { nothingTrained: 'error', noStop: 'error', doubleBos: 'error' } as const;
    expect((await failure(() => load(path, { overlong: 'truncate', maxLength: 16, checks }))).message).toMatch(
      /:2: no token of the row is trained/,
    );
    const none = await failure(() => load(jsonl(long, long), { overlong: 'truncate', maxLength: 16 }));
    expect(none.message).toContain('of 2 rows none has a trained token left (dropped: nothing_trained 2)');
  });

  it('a chat without answer is dropped, one whose answers have no end token is an error, a drop, or kept', async () => {
    const question = { messages: [{ role: 'user', content: 'x' }] };
    const chat = { messages: [...question.messages, { role: 'assistant', content: 'yy' }] };
    expect((await load(jsonl(question, chat), { chat: simpleChat })).counts.dropped).toEqual({ nothing_trained: 1 });
    const endless = {
      render: (messages: Parameters<typeof simpleChat.render>[0]) =>
        simpleChat.render(messages).map((part) => ({ ...part, text: part.text.replace('</s>', '') })),
    };
    const error = await failure(() => load(jsonl(chat), { chat: endless }));
    expect(error.message).toMatch(/:1: no answer of the row ends .*checks\.noStop/);
    const checks = (noStop: 'drop' | 'keep') => ({ nothingTrained: 'drop', noStop, doubleBos: 'error' }) as const;
    expect((await failure(() => load(jsonl(chat), { chat: endless, checks: checks('drop') }))).message).toContain('no_stop 1');
    const kept = await load(jsonl(chat), { chat: endless, checks: checks('keep') });
    expect(kept.warnings.map(({ code }) => code)).toEqual(['no_stop_left']);
  });

  it('says so when cutting loses every end token', async () => {
    expect((await load(jsonl(...rows), { overlong: 'truncate', maxLength: 5 })).warnings.map(({ code }) => code)).toEqual(['no_stop_left']);
    expect((await load(jsonl(...rows), { overlong: 'truncate', maxLength: 50 })).warnings).toEqual([]);
    expect((await load(jsonl({ text: 'some text' }), { overlong: 'truncate', maxLength: 3, trained: 'all' })).warnings).toEqual([]);
  });

  it('two begin tokens are an error, a drop, or kept', async () => {
    const twice = { ...pairs, bos: 300 + 256 * 0x61 + 0x62 }; // the id of "ab"
    const path = jsonl({ text: 'cd' }, { text: 'abcd' });
    expect((await failure(() => load(path, { tokenizer: twice }))).message).toMatch(/:2: the row begins with two begin tokens/);
    const checks = (doubleBos: 'drop' | 'keep') => ({ nothingTrained: 'drop', noStop: 'error', doubleBos }) as const;
    expect((await load(path, { tokenizer: twice, checks: checks('drop') })).counts.dropped).toEqual({ double_bos: 1 });
    expect((await load(path, { tokenizer: twice, checks: checks('keep') })).counts.kept).toBe(2);
  });

  it('stops when asked to', async () => {
    const signal = AbortSignal.abort(new Error('stop'));
    await expect(load(jsonl({ text: 'x' }), { signal })).rejects.toThrow('stop');
  });
});

describe('held-out rows', () => {
  it('are chosen by content: the same rows whatever their file, order, company and cutting', async () => {
    const rows = Array.from({ length: 400 }, (_, n) => ({ text: `row number ${n} ${'x '.repeat(n % 7)}` }));
    const first = await load(jsonl(...rows), { keepText: 1e6 });
    const held = (dataset: typeof first, fraction: number) => new Set(holdOut(dataset, fraction).heldOut.map(({ text }) => text));
    const chosen = held(first, 0.1);
    expect(chosen.size).toBeGreaterThan(20);
    expect(chosen.size).toBeLessThan(60);
    const other = await load([jsonl(...rows.toReversed().slice(0, 200)), jsonl(...rows, ...rows)], { keepText: 1e6, maxLength: 5 });
    expect(held(other, 0.1)).toEqual(chosen);
    expect([...chosen].every((text) => held(first, 0.2).has(text))).toBe(true);
    const { train, heldOut } = holdOut(other, 0.1);
    expect(train.length + heldOut.length).toBe(other.sequences.length);
  });

  it('holds out one row at least, and leaves one at least', async () => {
    const few = await load(jsonl({ text: 'a' }, { text: 'b' }, { text: 'c' }));
    expect(holdOut(few, 1e-9).heldOut).toHaveLength(1);
    const same = await load(jsonl({ text: 'a' }, { text: 'a' }));
    expect((await failure(() => holdOut(same, 0.1))).message).toContain('leaves none to train on');
  });
});

describe('preview', () => {
  it('shows ids, tokens, flags, text and source', async () => {
    const path = jsonl({ prompt: 'Q: ', completion: 'yes' }, { prompt: 'R', completion: 'no' });
    const { rows, counts } = previewRows(await load(path), pairs, 1);
    expect(rows).toEqual([
      {
        ids: [1, 300 + 256 * 0x51 + 0x3a, 300 + 256 * 0x20 + 0x79, 300 + 256 * 0x65 + 0x73, 2],
        tokens: ['', 'Q:', ' y', 'es', '</s>'],
        trained: [0, 0, 1, 1, 1],
        text: 'Q: yes',
        source: { file: path, line: 1 },
      },
    ]);
    expect(counts).toMatchObject({ in: 2, kept: 2, dropped: {} });
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
  });

  it('marks the trained part, in colour or in brackets, and disarms control characters', async () => {
    const path = jsonl({ prompt: 'Q:\u001b[2J ', completion: 'yes\n\nno' });
    const dataset = await load(path);
    const plain = renderPreview(dataset, pairs, 5, false);
    expect(plain).toContain(`${path}:1 9 tokens, 5 trained`);
    expect(plain).toContain('Q:␛[2J⟦ yes⟧\n\n⟦no</s>⟧');
    expect(plain).toContain('1 rows, 1 kept. 1 sequences, 9 tokens, 5 trained.');
    expect(renderPreview(dataset, pairs, 5, true)).toContain('\u001b[32m\u001b[4m yes\u001b[24m\u001b[39m');
  });
});
