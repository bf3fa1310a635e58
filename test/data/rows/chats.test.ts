/** Messages in every way in which data sets write them: what a chat template is given, and what of it is trained. */
import { describe, expect, it } from 'vitest';
import type { ChatRenderer } from '../../../lib/data/index.js';
import { failure } from '../room.js';
import { jsonl, load, single, told } from '../sequences/load.js';
import { showing } from '../sequences/showing.js';
import { pairs, simpleChat } from './pairs.js';

const ASKED = { role: 'user', content: 'Q?' };
const SAID = { role: 'assistant', content: 'A.' };
const WHOLE = '[user]Q?</s>\n[assistant]A.</s>\n';

describe('roles', () => {
  it.each([
    ['human', 'gpt'],
    ['user', 'bing'],
    ['Human', 'Assistant'],
    ['USER', 'Model'],
    ['human', 'bard'],
    ['human', 'bot'],
    ['user', 'chatgpt'],
    ['human', 'function_call'],
    ['human', 'tool_call'],
    ['human', 'tool_calls'],
  ])('%s and %s', async (asks, answers) => {
    const turns = [
      { from: asks, value: 'Q?' },
      { from: answers, value: 'A.' },
    ];
    const messages = turns.map(({ from, value }) => ({ role: from, content: value }));
    for (const row of [{ conversations: turns }, { messages }]) {
      const { whole, answers: trained } = await single(row, { chat: simpleChat });
      expect([whole, trained]).toEqual([WHOLE, ['A.</s>']]);
    }
  });

  it.each(['tool', 'tool_response', 'function_response', 'function', 'observation'])('%s is the tool', async (role) => {
    const row = {
      conversations: [
        { from: 'human', value: 'Q?' },
        { from: role, value: '4' },
        { from: 'gpt', value: 'A.' },
      ],
    };
    expect((await single(row, { chat: simpleChat })).whole).toBe('[user]Q?</s>\n[tool]4</s>\n[assistant]A.</s>\n');
  });

  it('of the recipe', async () => {
    const row = {
      conversations: [
        { from: 'Kunde', value: 'Q?' },
        { from: 'Berater', value: 'A.' },
      ],
    };
    const error = await failure(() => single(row, { chat: simpleChat }));
    expect(error).toMatchObject({ code: 'unknown_role', line: 1 });
    expect(error.message).toContain('conversations[0].from is "Kunde"');
    expect(error.message).toContain('roles: { "Kunde": user } in the recipe');
    const { whole, answers } = await single(row, { chat: simpleChat, roles: { Kunde: 'user', Berater: 'assistant' } });
    expect([whole, answers]).toEqual([WHOLE, ['A.</s>']]);
  });

  it('of an answer that the template leaves out are a warning', async () => {
    const row = { messages: [ASKED, SAID, ASKED, { role: 'assistant', content: 'B.' }] };
    const lastAlone: ChatRenderer = { ...simpleChat, render: (messages, options) => simpleChat.render(messages.slice(-2), options) };
    const { warnings } = await load(jsonl(row), { chat: { ...lastAlone, prompt: (messages) => simpleChat.prompt(messages.slice(-2)) } });
    expect(warnings).toEqual([
      { code: 'unrendered_answer', message: expect.stringContaining('an answer of the assistant in the row of line 1 is not in the text') },
    ]);
  });

  it.each([
    { content: '', tool_calls: [{ type: 'function', function: { name: 'f', arguments: {} } }] },
    { content: '', reasoning_content: 'why' },
    { content: ' ', thinking: 'why' },
  ])('of an answer without words that the template leaves out are a warning: %o', async (keys) => {
    const row = { messages: [ASKED, { role: 'assistant', ...keys }, ASKED, SAID] };
    const words: ChatRenderer = {
      ...simpleChat,
      render: (messages, options) => simpleChat.render(messages, options).filter(({ field }) => !field.startsWith('messages[1]')),
    };
    const { warnings } = await load(jsonl(row), { chat: words });
    expect(warnings.map(({ code }) => code)).toContain('unrendered_answer');
  });

  it('that only the template knows are handed to it, with a warning; misspelt ones are refused', async () => {
    const row = { messages: [ASKED, { role: 'narrator', content: 'N' }, SAID] };
    const { warnings, sequences } = await load(jsonl(row), { chat: simpleChat });
    expect(pairs.decode(sequences[0]?.ids ?? [])).toContain('[narrator]N</s>');
    expect(warnings).toEqual([{ code: 'unknown_role', message: expect.stringContaining('the role narrator in the row of line 1') }]);
    const wrong = { messages: [ASKED, { role: 'assitant', content: 'A.' }] };
    expect((await failure(() => single(wrong, { chat: simpleChat }))).message).toContain('did you mean assistant?');
  });
});

describe('either way of writing a message is read in every column', () => {
  const turns = [
    { from: 'human', value: 'Q?' },
    { from: 'gpt', value: 'A.' },
  ];
  const other = [{ from: 'gpt', value: 'B.' }];
  const rows: [what: string, row: object][] = [
    ['messages', { messages: turns }],
    ['conversations', { conversations: [ASKED, SAID] }],
    ['messages as JSON text', { messages: JSON.stringify([ASKED, SAID]) }],
    ['prompt and completion', { prompt: turns.slice(0, 1), completion: turns.slice(1) }],
  ];
  it.each(rows)('%s', async (_, row) => {
    const { whole, answers } = await single(row, { chat: simpleChat });
    expect([whole, answers]).toEqual([WHOLE, ['A.</s>']]);
  });

  it.each<[string, object]>([
    ['prompt, chosen, rejected', { prompt: [ASKED], chosen: turns.slice(1), rejected: other }],
    ['whole chats', { chosen: turns, rejected: [ASKED, ...other] }],
    ['conversations, chosen, rejected', { conversations: [ASKED], chosen: turns[1], rejected: other[0] }],
  ])('%s', async (_, row) => {
    const found = await told(['pairs'], [row], { chat: simpleChat, template: 'chat' });
    expect(found.map(({ whole, answers }) => [whole, answers])).toEqual([
      [WHOLE, ['A.</s>']],
      [WHOLE.replace('A.', 'B.'), ['B.</s>']],
    ]);
  });
});

describe('contents', () => {
  const parts = [
    { type: 'text', text: 'one' },
    { type: 'text', text: 'two' },
  ];
  const row = { messages: [ASKED, { role: 'assistant', content: parts }] };

  it('in parts are handed to a template that takes them, else joined', async () => {
    expect((await single(row, { chat: showing(true) })).whole).toBe('[user]Q?</s>\n[assistant]one|two</s>\n');
    const { whole, answers } = await single(row, { chat: showing(false) });
    expect([whole, answers]).toEqual(['[user]Q?</s>\n[assistant]onetwo</s>\n', ['onetwo</s>']]);
  });

  it.each([
    [[{ type: 'image', url: 'x' }], 'messages[0].content[0] is a part of type "image"; only parts of type text are read'],
    [[{ type: 'text', text: 'a' }, { type: 'image_url' }], 'messages[0].content[1] is a part of type "image_url"'],
    [[{ type: 'text' }], 'messages[0].content[0].text must be a text, not missing'],
    [[7], 'messages[0].content[0] must be a part { type: text, text }, not 7'],
    [7, 'messages[0].content must be a text or a list of parts, not 7'],
  ])('%j is refused', async (content, message) => {
    const wrong = { messages: [{ role: 'user', content }, SAID] };
    expect((await failure(() => single(wrong, { chat: simpleChat }))).message).toContain(message);
  });

  it('that are null count as not there, other keys too', async () => {
    const call = {
      role: 'assistant',
      content: null,
      tool_calls: [{ type: 'function', function: { name: 'f', arguments: { a: null } } }],
      name: null,
    };
    const { whole } = await single({ messages: [{ ...ASKED, tool_calls: null }, call, SAID] }, { chat: showing(false) });
    expect(whole).toBe(
      '[user]Q?</s>\n[assistant{"tool_calls":[{"type":"function","function":{"name":"f","arguments":{"a":null}}}]}]</s>\n[assistant]A.</s>\n',
    );
    expect(
      (await failure(() => single({ messages: [ASKED, { role: 'assistant', content: null }] }, { chat: simpleChat }))).message,
    ).toContain('messages[1].content must be a text or a list of parts, not missing');
  });
});

describe('calls of tools', () => {
  const call = { name: 'f', arguments: '{"a": 1.0}' };
  const expected = '[assistant{"tool_calls":[{"type":"function","function":{"name":"f","arguments":"{\\"a\\": 1.0}"}}]}]';
  it.each<[string, object]>([
    ['as a list', { tool_calls: [{ type: 'function', function: call }] }],
    ['as JSON text', { tool_calls: JSON.stringify([{ type: 'function', function: call }]) }],
    ["as OpenAI's function_call", { function_call: call }],
  ])('%s', async (_, keys) => {
    const row = { messages: [ASKED, { role: 'assistant', content: '', ...keys }, SAID] };
    expect((await single(row, { chat: showing(false) })).whole).toContain(expected);
  });
});

describe('columns beside the messages', () => {
  const system = 'Be brief.';
  const LED = `[system]Be brief.</s>\n${WHOLE}`;
  it.each<[string, object]>([
    ['messages', { system, messages: [ASKED, SAID] }],
    [
      'conversations',
      {
        system,
        conversations: [
          { from: 'human', value: 'Q?' },
          { from: 'gpt', value: 'A.' },
        ],
      },
    ],
    ['instruction', { system, instruction: 'Q?', input: '', output: 'A.' }],
    ['prompt and completion', { system_prompt: system, prompt: 'Q?', completion: 'A.' }],
    ['prompt of messages', { system, prompt: [ASKED], completion: [SAID] }],
  ])('system with %s', async (_, row) => {
    const { whole, answers } = await single(row, { chat: simpleChat, template: 'chat' });
    expect([whole, answers]).toEqual([LED, ['A.</s>']]);
  });

  it.each<[string, object]>([
    ['texts', { system, prompt: 'Q?', chosen: 'A.', rejected: 'B.' }],
    ['whole chats', { system, chosen: [ASKED, SAID], rejected: [ASKED, { role: 'assistant', content: 'B.' }] }],
  ])('system with pairs of %s', async (_, row) => {
    const [chosen, rejected] = await told(['pairs'], [row], { chat: simpleChat, template: 'chat' });
    expect([chosen?.whole, chosen?.answers, rejected?.answers]).toEqual([LED, ['A.</s>'], ['B.</s>']]);
  });

  it("history goes before the instruction, its answers trained as a chat's earlier ones", async () => {
    const row = {
      instruction: 'Q?',
      output: 'A.',
      system,
      history: [
        ['q1', 'a1'],
        ['q2', 'a2'],
      ],
    };
    const { whole, answers } = await single(row, { chat: simpleChat, template: 'chat' });
    const before = '[system]Be brief.</s>\n[user]q1</s>\n[assistant]a1</s>\n[user]q2</s>\n[assistant]a2</s>\n';
    expect([whole, answers]).toEqual([before + WHOLE, ['a1</s>', 'a2</s>', 'A.</s>']]);
    const texts = { ...row, history: JSON.stringify(row.history) };
    expect((await single(texts, { chat: simpleChat, template: 'chat' })).whole).toBe(before + WHOLE);
    const wrong = await failure(() => single({ ...row, history: [['q1']] }, { chat: simpleChat, template: 'chat' }));
    expect(wrong).toMatchObject({ code: 'bad_history', message: expect.stringContaining('history[0] must be [question, answer]') });
  });

  it('tools are a list or JSON text of one, and nothing else', async () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    for (const given of [tools, JSON.stringify(tools), tools.map((tool) => JSON.stringify(tool))])
      expect((await single({ tools: given, messages: [ASKED, SAID] }, { chat: showing(false) })).whole).toContain(JSON.stringify(tools));
    for (const given of [[], '[]', '', null])
      expect((await single({ tools: given, messages: [ASKED, SAID] }, { chat: showing(false) })).whole).not.toContain('[]');
    for (const given of [{ f: 1 }, '{"f": 1}', 7, '[{'])
      expect((await failure(() => single({ tools: given, messages: [ASKED, SAID] }, { chat: simpleChat }))).code).toBe('bad_tools');
  });
});
