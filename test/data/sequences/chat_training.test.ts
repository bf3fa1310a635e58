/** Which messages of a chat are trained, answers of several messages, and what is remarked of columns and keys that are not used. */
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../../lib/data/sequences/load.js';
import type { DataError } from '../../../lib/errors/index.js';
import { failure } from '../room.js';
import { pairs, simpleChat } from '../rows/pairs.js';
import { jsonl, load, loadFor, single, told, write } from './load.js';
import { showing } from './showing.js';

const ASKED = { role: 'user', content: 'Q?' };
const SAID = { role: 'assistant', content: 'A.' };
const WHOLE = '[user]Q?</s>\n[assistant]A.</s>\n';

describe('messages that are said not to be trained', () => {
  const second = [
    { role: 'user', content: 'R?' },
    { role: 'assistant', content: 'B.' },
  ];
  it.each<[string, unknown]>([
    ['weight', 0],
    ['weight', '0.0'],
    ['train', false],
    ['trained', false],
    ['training', false],
    ['loss', false],
    ['masked', true],
  ])('by %s: %s', async (key, value) => {
    const flag = value === '0.0' ? 0.0 : value;
    const row = { messages: [ASKED, { ...SAID, [key]: flag }, ...second] };
    const { whole, answers } = await single(row, { chat: showing(false) });
    expect([whole, answers]).toEqual([`${WHOLE}[user]R?</s>\n[assistant]B.</s>\n`, ['B.</s>']]);
  });

  it('in other words are refused, and a whole row of them is dropped', async () => {
    const row = (weight: unknown) => ({ messages: [ASKED, { ...SAID, weight }] });
    expect((await failure(() => single(row(0.5), { chat: simpleChat }))).message).toContain('messages[1].weight must be 0 or 1');
    const { counts } = await load(jsonl(row(0), row(1)), { chat: simpleChat });
    expect([counts.kept, counts.dropped]).toEqual([1, { nothing_trained: 1 }]);
  });

  it('of other roles are never trained, and a flag that wants them is remarked', async () => {
    const { warnings } = await load(
      jsonl({
        messages: [
          { ...ASKED, train: true },
          { ...SAID, train: true },
        ],
      }),
      { chat: simpleChat },
    );
    expect(warnings).toEqual([{ code: 'unused_key', message: expect.stringContaining('a flag to train messages of the role user') }]);
  });
});

describe('answers of several messages', () => {
  const called = [
    { role: 'assistant', content: 'call' },
    { role: 'tool', content: '4' },
  ];
  it('train what the assistant says in them', async () => {
    const { whole, answers } = await single({ prompt: [ASKED, SAID, ASKED], completion: [...called, SAID] }, { chat: simpleChat });
    expect(whole).toBe(`${WHOLE}[user]Q?</s>\n[assistant]call</s>\n[tool]4</s>\n[assistant]A.</s>\n`);
    expect(answers).toEqual(['call</s>', 'A.</s>']);
  });

  it('make pairs and thumbs', async () => {
    const row = { prompt: [ASKED], chosen: [...called, SAID], rejected: [SAID] };
    const found = await told(['pairs'], [row], { chat: simpleChat });
    expect(found.map(({ answers }) => answers)).toEqual([['call</s>', 'A.</s>'], ['A.</s>']]);
    const thumb = { prompt: [ASKED], completion: [...called, SAID], label: true };
    const [up] = await told(['thumbs'], [thumb], { chat: simpleChat, oneKind: 'keep' });
    expect(up?.answers).toEqual(['call</s>', 'A.</s>']);
  });

  it('have no place in a template of texts', async () => {
    const row = { prompt: 'Q?', chosen: [...called, SAID], rejected: [SAID] };
    const error = await failure(() => loadFor('it', ['pairs'], jsonl(row), { template: 'plain', chat: simpleChat }), Error as never);
    expect((error as DataError).code).toBe('template_mismatch');
  });
});

describe('what is known and not used is remarked, with its rows', () => {
  const codes = async (rows: object[], change: Parameters<typeof load>[1] = {}) =>
    (await load(jsonl(...rows), change)).warnings.map(({ code, message }) => `${code}: ${message.replace(/^.*jsonl: /, '')}`);

  it('columns', async () => {
    const rows = [
      { instruction: 'Q?', output: 'A.', system: 'S', history: [] },
      { instruction: 'Q?', output: 'B.', system: 'S', history: [['a', 'b']] },
    ];
    expect(await codes(rows, { template: 'dolly' })).toEqual([
      'unused_column: the column system is not used in 2 rows, the first in line 1',
      'unused_column: the column history is not used in the row of line 2',
    ]);
    expect(await codes(rows, { template: { prompt: '{system}{instruction}', completion: '{output}' } })).toEqual([
      'unused_column: the column history is not used in the row of line 2',
    ]);
    expect(await codes(rows, { template: 'chat', chat: simpleChat })).toEqual([]);
    expect(await codes([{ messages: [ASKED, SAID], text: 'T', images: [], label: null }], { chat: simpleChat })).toEqual([
      'unused_column: the column text is not used in the row of line 1',
    ]);
  });

  it('keys and tools that the chat template does not print', async () => {
    const message = { ...SAID, reasoning_content: 'because', tool_calls: [{ function: { name: 'f' } }], note: 'free' };
    const row = { tools: [{ name: 'f' }], messages: [ASKED, message] };
    expect(await codes([row, { messages: [ASKED, SAID] }, row], { chat: simpleChat })).toEqual([
      'unused_key: the key tool_calls of messages is not used in 2 rows, the first in line 1: the chat template does not print it',
      'unused_key: the key reasoning_content of messages is not used in 2 rows, the first in line 1: the chat template does not print it',
      'unused_column: the column tools is not used in 2 rows, the first in line 1: the chat template does not print it',
    ]);
    expect(await codes([row], { chat: showing(false) })).toEqual([]);
  });

  it('keys that stand twice', async () => {
    const path = write('twice.jsonl', '{"prompt": "p", "prompt": "q", "completion": "c"}\n');
    const dataset = await loadDataset({
      data: [{ path, weight: 1 }],
      tokenizer: pairs,
      template: 'plain',
      trained: 'answers',
      checks: { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error' },
      maxLength: 100,
      overlong: 'split',
    });
    expect(dataset.warnings).toEqual([{ code: 'repeated_key', message: expect.stringContaining('the key prompt stands twice') }]);
    expect(pairs.decode(dataset.sequences[0]?.ids ?? [])).toBe('qc</s>');
  });
});
