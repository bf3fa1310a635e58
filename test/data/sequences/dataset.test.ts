import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutRow } from '../../../lib/data/sequences/cut.js';
import { previewRows, renderPreview } from '../../../lib/data/sequences/preview.js';
import { holdOut } from '../../../lib/data/sequences/split.js';
import { failure } from '../room.js';
import { pairs, simpleChat } from '../rows/pairs.js';
import { jsonl, load, single } from './load.js';

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

  it('frames every piece with the begin and end token of the row, where that is asked for', () => {
    const row = fc.array(fc.tuple(fc.integer({ min: 4, max: 9 }), fc.nat(1)), { minLength: 1, maxLength: 40 });
    const ends = fc.record({ bos: fc.constantFrom(2, null), hasEnd: fc.boolean() });
    fc.assert(
      fc.property(row, ends, fc.integer({ min: 1, max: 12 }), (tokens, { bos, hasEnd }, length) => {
        const [head, tail] = [bos === null ? [] : [bos], hasEnd ? [3] : []];
        const ids = Int32Array.from([...head, ...tokens.map(([id]) => id), ...tail]);
        const trained = Uint8Array.from(ids, (_, n) => (n === 0 ? 0 : (tokens[n - head.length]?.[1] ?? 1)));
        const pieces = cutRow(ids, trained, length, 'split', { bos, eos: 3 });
        const room = length - head.length - tail.length;
        if (room < 1 && ids.length > length) {
          expect(pieces).toEqual([]);
          return;
        }
        const inner = pieces.map((piece) => [...piece.ids].slice(head.length, piece.ids.length - tail.length));
        expect(inner.flat()).toEqual(tokens.map(([id]) => id));
        for (const [n, piece] of pieces.entries()) {
          expect([...piece.ids]).toEqual([...head, ...(inner[n] as number[]), ...tail]);
          expect(piece.ids.length).toBeLessThanOrEqual(length);
          expect([piece.trained[0], piece.trainedTokens]).toEqual([0, piece.trained.filter(Boolean).length]);
        }
        expect(pieces.slice(0, -1).every((piece) => piece.ids.length === length)).toBe(true);
        expect(cutRow(ids, trained, length, 'truncate', { bos, eos: 3 })).toEqual(pieces.slice(0, 1));
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
      ...simpleChat,
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
