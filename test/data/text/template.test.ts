import { describe, expect, it } from 'vitest';
import { describeMapped } from '../../../lib/data/sequences/examples.js';
import { parseTemplate } from '../../../lib/data/text/template.js';
import { RequestError } from '../../../lib/errors/index.js';
import { failure } from '../room.js';
import { simpleChat } from '../rows/pairs.js';
import { jsonl, load, single, write } from '../sequences/load.js';

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
    expect(refused.message).toMatch(/\.jsonl:2: Conversation roles must be known \(checks\.refusedChat/);
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
    [
      'content that is an image',
      [{ messages: [{ role: 'user', content: [{ type: 'image' }] }] }],
      1,
      ['messages[0].content[0]', 'type "image"'],
    ],
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
