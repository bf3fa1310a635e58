import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonBeginning, transcriptMessages } from '../../../lib/data/rows/beginning.js';
import type { Kind } from '../../../lib/data/rows/kinds.js';
import { describeMapped } from '../../../lib/data/sequences/examples.js';
import { mismatchedRows } from '../../../lib/data/sequences/mismatched.js';
import { pairs, simpleChat } from '../rows/pairs.js';
import { jsonl, load, loadFor, single, told } from './load.js';

const user = (content: string) => ({ role: 'user', content });
const said = (content: string) => ({ role: 'assistant', content });
const HH = '\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Who are you?\n\nAssistant:';

/** Ids and flags as sft gives them to a prompt with one answer. */
async function likeSft(rows: [prompt: unknown, answer: unknown][], change = {}) {
  const { sequences } = await load(jsonl(...rows.map(([prompt, completion]) => ({ prompt, completion }))), change);
  return sequences.map(({ ids, trained }) => ({ ids: [...ids], trained: [...trained] }));
}
const bare = (sequences: { ids: Int32Array; trained: Uint8Array }[]) =>
  sequences.map(({ ids, trained }) => ({ ids: [...ids], trained: [...trained] }));

describe('pairs', () => {
  it('are two rows of prompt and completion, chosen first, and one unit', async () => {
    const row = { prompt: 'The cat', chosen: ' sat.', rejected: ' ran.', score_chosen: 7.5, score_rejected: 2, margin: 0.25, id: 4 };
    const [chosen, rejected, ...rest] = await told(['pairs'], [row]);
    expect([chosen?.whole, rejected?.whole, rest]).toEqual(['The cat sat.</s>', 'The cat ran.</s>', []]);
    expect(bare([chosen!, rejected!])).toEqual(
      await likeSft([
        ['The cat', ' sat.'],
        ['The cat', ' ran.'],
      ]),
    );
    expect(chosen?.unit).toBe(rejected?.unit);
    const columns = { score_chosen: 7.5, score_rejected: 2 };
    expect(chosen?.unit).toEqual({ kind: 'pair', number: 0, rows: 1, ranks: [0, 1], margin: 0.25, columns });
    expect([chosen?.member, rejected?.member, chosen?.promptLength]).toEqual([0, 1, 4]);
  });

  it('without a prompt have what both begin with, whatever it is', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '\n', '\u{1f9ec}', '\u{1f9ea}', 'é'), maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(text, text, text, async (prompt, one, other) => {
        const [chosen, rejected] = [`.${prompt}${one}x`, `.${prompt}${other}y`];
        const common = commonBeginning(chosen, rejected);
        expect(await told(['pairs'], [{ chosen, rejected }]).then(bare)).toEqual(
          await likeSft([
            [common, chosen.slice(common.length)],
            [common, rejected.slice(common.length)],
          ]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('have a common beginning in whole characters, less one space at its end', () => {
    expect(commonBeginning('The sky is blue.', 'The sky is green.')).toBe('The sky is');
    expect(commonBeginning('a  b', 'a  c')).toBe('a ');
    expect(commonBeginning('x\u{1f9ec}', 'x\u{1f9ea}')).toBe('x');
    expect(commonBeginning('The sky', 'The sky is')).toBe('The sky');
    expect(commonBeginning('Yes', 'No')).toBe('');
    const points = (text: string) => [...text];
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (start, a, b) => {
        const [one, other] = [start + a, start + b].map(points) as [string[], string[]];
        const end = one.findIndex((c, n) => c !== other[n]);
        const common = one.slice(0, end < 0 ? one.length : end).join('');
        expect(commonBeginning(start + a, start + b)).toBe(common.replace(/ $/, ''));
      }),
    );
  });

  it('of transcripts begin alike up to the last common "Assistant:"', async () => {
    expect(commonBeginning(`${HH} Your helper.`, `${HH} Your friend.`)).toBe(HH);
    expect(commonBeginning(`${HH} a\n\nHuman: x\n\nAssistant: b`, `${HH} a\n\nHuman: x\n\nAssistant:c`)).toBe(
      `${HH} a\n\nHuman: x\n\nAssistant:`,
    );
    expect(commonBeginning('\n\nHuman: Hi\n\nAssistant: a', '\n\nHuman: Ho\n\nAssistant: b')).toBe('');
    const [chosen, rejected] = await told(['pairs'], [{ chosen: `${HH} Your helper.`, rejected: `${HH} Nobody:\n\nwho asks?` }]);
    expect([chosen?.whole, rejected?.whole]).toEqual([`${HH} Your helper.</s>`, `${HH} Nobody:\n\nwho asks?</s>`]);
    expect(transcriptMessages(HH)).toEqual([user('Hi'), said('Hello.'), user('Who are you?')]);
    expect([transcriptMessages('\n\nHuman: Hi'), transcriptMessages('Hi')]).toEqual([undefined, undefined]);
  });

  it('of chats train the last answer alone, however they are written', async () => {
    const before = [user('One'), said('Eins'), user('Two')];
    const ways = [
      { prompt: before, chosen: [said('Zwei')], rejected: [said('Drei')] },
      { prompt: before, chosen: said('Zwei'), rejected: said('Drei') },
      { prompt: before, chosen: 'Zwei', rejected: 'Drei' },
      { messages: before, chosen: 'Zwei', rejected: 'Drei' },
      { chosen: [...before, said('Zwei')], rejected: [...before, said('Drei')] },
      { prompt: 'Two', chosen: [...before, said('Zwei')], rejected: [...before, said('Drei')] },
      { prompt: before, chosen: [...before, said('Zwei')], rejected: [...before, said('Drei')] },
      { prompt: before.slice(0, 2), chosen: [user('Two'), said('Zwei')], rejected: [user('Two'), said('Drei')] },
      {
        conversations: [
          { from: 'human', value: 'One' },
          { from: 'gpt', value: 'Eins' },
          { from: 'human', value: 'Two' },
        ],
        chosen: { from: 'gpt', value: 'Zwei' },
        rejected: { from: 'gpt', value: 'Drei' },
      },
    ];
    for (const way of ways) {
      const [chosen, rejected] = await told(['pairs'], [way], { chat: simpleChat });
      expect(chosen?.whole).toBe('[user]One</s>\n[assistant]Eins</s>\n[user]Two</s>\n[assistant]Zwei</s>\n');
      expect(rejected?.whole).toBe('[user]One</s>\n[assistant]Eins</s>\n[user]Two</s>\n[assistant]Drei</s>\n');
      expect(chosen?.answers.map((answer) => answer.replace(']', ''))).toEqual(['Zwei</s>']);
    }
  });

  it('take the templates of sft: named, chat, one of your own', async () => {
    const [dolly] = await told(['pairs'], [{ instruction: 'Do it.', input: 'Here', chosen: 'Done.', rejected: 'No.' }], {
      template: 'dolly',
    });
    expect(dolly?.whole).toBe((await single({ instruction: 'Do it.', input: 'Here', output: 'Done.' }, { template: 'dolly' })).whole);
    const row = { prompt: 'Hi', chosen: 'Ho', rejected: 'He' };
    const chat = await told(['pairs'], [row], { template: 'chat', chat: simpleChat });
    expect(chat.map(({ whole }) => whole)).toEqual(['[user]Hi</s>\n[assistant]Ho</s>\n', '[user]Hi</s>\n[assistant]He</s>\n']);
    expect((await told(['pairs'], [row], { chat: simpleChat }))[0]?.whole).toBe('HiHo</s>');
    const transcript = await told(['pairs'], [{ chosen: `${HH} I.`, rejected: `${HH} You.` }], { template: 'chat', chat: simpleChat });
    expect(transcript[1]?.whole).toBe('[user]Hi</s>\n[assistant]Hello.</s>\n[user]Who are you?</s>\n[assistant]You.</s>\n');
    const own = { prompt: 'Q: {question}\nA:', chosen: ' {better}', rejected: ' {worse}' };
    const filled = await told(['pairs'], [{ question: 'x', better: 1, worse: 'z', margin: 2 }], { template: own });
    expect(filled.map(({ whole }) => whole)).toEqual(['Q: x\nA: 1</s>', 'Q: x\nA: z</s>']);
    expect(filled[0]?.unit?.margin).toBe(2);
    const framed = await told(['pairs'], [{ question: 'x', chosen: ' y', rejected: ' z' }], { template: { prompt: 'Q: {question}\nA:' } });
    expect(framed.map(({ whole }) => whole)).toEqual(['Q: x\nA: y</s>', 'Q: x\nA: z</s>']);
  });

  it('without BOS and prompt never train the first token, which belongs to the answer all the same', async () => {
    const found = await told(['pairs'], [{ prompt: '', chosen: 'yes!', rejected: 'no' }], { tokenizer: { ...pairs, bos: null } });
    expect(found.map(({ trained, promptLength }) => [[...trained], promptLength])).toEqual([
      [[0, 1, 1], 0],
      [[0, 1], 0],
    ]);
    expect(mismatchedRows(found, [0, 1], 9).map(({ ids }) => pairs.decode(ids))).toEqual(['no</s>', 'yes!</s>']);
  });

  it('taken apart are a thumb up and a thumb down, units of their own', async () => {
    const row = (n: number) => ({ prompt: `Q${n}`, chosen: ' a', rejected: ' b' });
    const apart = await told(['thumbs', 'pairs'], [row(1), row(2)]);
    expect(apart.map(({ unit, member }) => [unit?.kind, unit?.number, unit?.rows, unit?.label, member])).toEqual([
      ['thumb', 0, 1, true, 0],
      ['thumb', 1, 1, false, 0],
      ['thumb', 2, 1, true, 0],
      ['thumb', 3, 1, false, 0],
    ]);
    expect(bare(apart)).toEqual(bare(await told(['pairs'], [row(1), row(2)])));
  });
});

describe('rankings', () => {
  const answers = [
    { text: ' c', rank: 3 },
    { text: ' a', rank: 1 },
    { text: ' b', rank: 2 },
    { text: ' d', rank: 3 },
  ];

  it('are one unit, best first, counted as its pairs or as one', async () => {
    const found = await told(
      ['pairs', 'rankings'],
      [
        { prompt: 'Q:', answers },
        { prompt: 'R:', ranking: [' x', ' y'] },
      ],
    );
    expect(found.map(({ whole }) => whole)).toEqual(['Q: a</s>', 'Q: b</s>', 'Q: c</s>', 'Q: d</s>', 'R: x</s>', 'R: y</s>']);
    expect(found[0]?.unit).toMatchObject({ kind: 'ranking', ranks: [0, 1, 2, 2], rows: 5 });
    expect(found[3]).toMatchObject({ unit: found[0]?.unit, member: 3 });
    expect(found[5]?.unit).toMatchObject({ number: 1, ranks: [0, 1], rows: 1 });
    const [whole] = await told(['rankings'], [{ prompt: 'Q:', answers }], { rankings: 'whole' });
    expect(whole?.unit).toMatchObject({ rows: 1, ranks: [0, 1, 2, 2] });
  });

  it('take messages and templates', async () => {
    const [best] = await told(['rankings'], [{ prompt: [user('Q')], ranking: ['A', 'B'] }], { chat: simpleChat });
    expect(best?.whole).toBe('[user]Q</s>\n[assistant]A</s>\n');
    const [own] = await told(['rankings'], [{ q: 'Q', ranking: ['A', 'B'] }], { template: { prompt: '{q}?' } });
    expect(own?.whole).toBe('Q?A</s>');
  });

  it('of ties alone are dropped and counted', async () => {
    const tie = { prompt: 'Q', answers: answers.map(({ text }) => ({ text, rank: 1 })) };
    const { counts } = await loadFor('reward', ['pairs', 'rankings'], jsonl({ prompt: 'Q', answers }, tie));
    expect(counts).toMatchObject({ in: 2, kept: 1, dropped: { ties: 1 }, pieces: 4, units: { rankings: 1, pairs: 5 } });
  });
});

describe('thumbs, prompts and steps', () => {
  it('thumbs are rows of prompt and completion with a label', async () => {
    const rows = [
      { prompt: 'The cat', completion: ' sat.', label: true },
      { prompt: 'The cat', completion: ' ran.', label: false },
    ];
    const thumbs = await told(['thumbs', 'pairs'], rows);
    expect(bare(thumbs)).toEqual(await likeSft(rows.map(({ prompt, completion }) => [prompt, completion])));
    expect(thumbs.map(({ unit }) => [unit?.kind, unit?.label])).toEqual([
      ['thumb', true],
      ['thumb', false],
    ]);
  });

  it('thumbs may be chats, and instructions with kto_tag', async () => {
    const ways = [
      { prompt: [user('Q')], completion: 'A', label: true },
      { prompt: [user('Q')], completion: [said('A')], label: true },
      { messages: [user('Q'), said('A')], label: true },
      { conversations: [{ from: 'human', value: 'Q' }], completion: 'A', label: true },
      { instruction: 'Q', input: '', output: 'A', kto_tag: true },
    ];
    for (const way of ways) {
      const [thumb] = await told(['thumbs'], [way], { chat: simpleChat, oneKind: 'keep' });
      expect(thumb?.whole).toBe('[user]Q</s>\n[assistant]A</s>\n');
      expect(thumb?.answers.map((answer) => answer.replace(']', ''))).toEqual(['A</s>']);
    }
    const own = { prompt: '{q}?', completion: ' {a}' };
    expect((await told(['thumbs'], [{ q: 'Q', a: 'A', label: false }], { template: own, oneKind: 'keep' }))[0]?.whole).toBe('Q? A</s>');
  });

  it('prompts are BOS and prompt without EOS, nothing trained, with all columns of the row', async () => {
    const row = { prompt: 'Tell me', tag: 'kept', answer: 42 };
    const [prompt] = await told(['prompts'], [row]);
    expect([prompt?.whole, prompt?.ids[0], prompt?.trainedTokens]).toEqual(['Tell me', 1, 0]);
    expect(prompt?.unit).toMatchObject({ kind: 'prompt', rows: 1, columns: row, prompt: 'Tell me' });
    const messages = [user('Q')];
    for (const way of [{ prompt: messages }, { messages }, { instruction: 'Q', response: 'A' }]) {
      const [chat] = await told(['prompts'], [way], { chat: simpleChat });
      expect([chat?.whole, chat?.unit?.prompt]).toEqual(['[user]Q</s>\n[assistant]', '[user]Q</s>\n[assistant]']);
    }
    for (const template of [{ prompt: 'Q: {q}' }, { prompt: 'Q: {q}', completion: '{nothing}' }])
      expect((await told(['prompts'], [{ q: 'x' }], { template }))[0]?.whole).toBe('Q: x');
  });

  it('sft takes a completion after a prompt of messages, and says that it reads no label', async () => {
    const { sequences, warnings } = await load(jsonl({ prompt: [user('Q'), said('x'), user('R')], completion: 'A', label: false }), {
      chat: simpleChat,
    });
    expect(sequences).toHaveLength(1);
    expect(sequences[0]?.unit).toBeUndefined();
    expect(warnings).toMatchObject([{ code: 'label_unread' }]);
  });
});

describe('what is reported', () => {
  it('how columns were understood', async () => {
    const words = async (kinds: Kind[], row: object) => {
      const { mappings } = await loadFor('it', kinds, jsonl(row), { chat: simpleChat, oneKind: 'keep' });
      return mappings.map(describeMapped)[0]?.replace(/^.*jsonl: /, '');
    };
    expect(await words(['pairs'], { prompt: 'a', chosen: 'b', rejected: 'c' })).toBe('1 row of pairs, template plain');
    expect(await words(['pairs'], { chosen: 'a b', rejected: 'a c' })).toBe(
      '1 row of pairs (prompt is what both begin with), template plain',
    );
    expect(await words(['thumbs'], { prompt: [user('a')], completion: 'b', label: true })).toBe(
      '1 row of thumbs (prompt of messages, messages ← prompt), template chat',
    );
    expect(await words(['thumbs'], { instruction: 'a', output: 'b', kto_tag: true })).toBe(
      '1 row of thumbs (prompt from instruction, response ← output, label ← kto_tag), template chat',
    );
  });

  it('scores that contradict the names of the answers', async () => {
    const rows = [1, 2, 3].map((n) => ({ prompt: 'a', chosen: 'b', rejected: `c${n}`, score_chosen: n, score_rejected: 2 }));
    expect((await loadFor('dpo', ['pairs'], jsonl(...rows))).warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('1 pair has a score_chosen below score_rejected'),
    ]);
  });
});
