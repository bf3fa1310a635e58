import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Segment, Tokenizer } from '../../lib/tokenizer/index.js';
import { ENGINES, openByteLevel, removeFolders } from './fixtures.js';

afterAll(removeFolders);

/** Any text, with what tokenizers stumble over in it more often than by chance. */
const awkward = fc.constantFrom(
  ' ',
  '  ',
  '\n\n',
  '\r\n',
  '\t',
  'e\u0301',
  '\u0338',
  '<|end|>',
  '<|user|>',
  '\u2581',
  '\ufeff',
  '\0',
  '世界',
  '😀',
  "'s",
  'ﬁ',
  '\u0344',
);
const anyText = fc
  .array(fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('The', ' cell', ' divides', '1', '22'), awkward), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));
const anySegments = fc.array(fc.record({ text: anyText, trained: fc.boolean() }), { maxLength: 5 });

/** The rule, written out: bytes of each id against a mark for each byte of the text. */
function byTheRule(tokenizer: Tokenizer, ids: Int32Array, segments: Segment[]): number[] {
  const marks = segments.flatMap(({ text, trained }) => Array<boolean>(Buffer.byteLength(text)).fill(trained));
  let at = 0;
  return [...ids].map((id) => {
    const start = at;
    at += tokenizer.tokenBytes(id).length;
    return Number(marks.slice(start, at).includes(true));
  });
}

const joined = (segments: readonly Segment[]) => segments.map(({ text }) => text).join('');

describe.each(ENGINES)('spans of byte-level pieces, %s engine', (engine) => {
  let tokenizer: Tokenizer;
  let composing: Tokenizer;
  beforeAll(async () => {
    tokenizer = await openByteLevel(engine);
    composing = await openByteLevel(engine, { normalizer: { type: 'NFC' } });
  });

  it('decodes to the same text', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  it('has the ids of the joined text, whatever the segments', async () => {
    await fc.assert(
      fc.asyncProperty(anySegments, async (segments) => {
        expect([...(await tokenizer.encodeSpans(segments)).ids]).toEqual([...(await tokenizer.encode(joined(segments)))]);
      }),
    );
  });

  it('flags by bytes, as the rule says', async () => {
    await fc.assert(
      fc.asyncProperty(anySegments, async (segments) => {
        const { ids, trained } = await tokenizer.encodeSpans(segments);
        expect([...trained]).toEqual(byTheRule(tokenizer, ids, segments));
      }),
    );
  });

  it('adds the bytes of its ids up to the text', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const ids = await tokenizer.encode(text);
        expect(Buffer.concat([...ids].map((id) => tokenizer.tokenBytes(id)))).toEqual(Buffer.from(text));
      }),
    );
  });

  it('loses no byte of an answer, under NFC either', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyText, anyText, async (before, answer, after) => {
        const segments = [
          { text: before, trained: false },
          { text: answer, trained: true },
          { text: after, trained: false },
        ];
        const { ids, trained } = await composing.encodeSpans(segments);
        const kept = Buffer.concat([...ids].filter((_, i) => trained[i] === 1).map((id) => composing.tokenBytes(id))).toString('latin1');
        // What of the answer no neighbour can join: without it the trained bytes would have a gap.
        const core = answer
          .replace(/^[\p{M}\u1160-\u11ff]+/u, '')
          .replace(/[^ ]*$/, '')
          .normalize('NFC');
        if (!core.includes('<|')) expect(kept).toContain(Buffer.from(core).toString('latin1'));
      }),
    );
  });
});

describe('a border', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await openByteLevel('native');
  });

  const trainedText = async (open: Tokenizer, ...segments: [string, boolean][]) => {
    const { ids, trained } = await open.encodeSpans(segments.map(([text, on]) => ({ text, trained: on })));
    return open.decode([...ids].filter((_, i) => trained[i] === 1));
  };

  it('inside a token makes that token trained', async () => {
    const [id] = await tokenizer.encode(' cell');
    expect(tokenizer.tokenText(id!)).toBe(' cell');
    expect(await trainedText(tokenizer, ['The ', false], ['cell', true])).toBe(' cell');
    expect(await trainedText(tokenizer, ['The c', true], ['ell', false])).toBe('The cell');
  });

  it('inside a character makes every token of it trained', async () => {
    const [high, low] = ['\ud83d', '\ude00'];
    expect(await trainedText(tokenizer, ['a', false], [high, false], [low, true], ['b', false])).toBe('😀');
    expect(await trainedText(tokenizer, ['a', false], [high, true], [low, false], ['b', false])).toBe('😀');
  });

  it('between a letter and its accent makes both trained where they grow together', async () => {
    const composing = await openByteLevel('native', { normalizer: { type: 'NFC' } });
    expect(await trainedText(composing, ['caf', false], ['e', false], ['\u0301 x', true])).toBe('é x');
    expect(await trainedText(composing, ['cafe', true], ['\u0301 x', false])).toBe('café');
    expect(await trainedText(composing, ['caf', false], ['q', false], ['\u0301', true])).toBe('\u0301');
  });

  it('takes a lone surrogate for U+FFFD', async () => {
    expect(tokenizer.decode(await tokenizer.encode('a\ud800b'))).toBe('a\ufffdb');
    expect(await trainedText(tokenizer, ['a', false], ['\ud800', true], ['b', false])).toBe('\ufffd');
  });

  it.each([
    ['nothing', []],
    [
      'empty segments',
      [
        ['', true],
        ['', false],
      ],
    ],
    ['no trained segment', [['The cell', false]]],
  ] as [string, [string, boolean][]][])('has nothing trained with %s', async (_, segments) => {
    expect(await trainedText(tokenizer, ...segments)).toBe('');
  });
});

describe('the stop id', () => {
  const flags = async (open: Tokenizer, segments: Segment[], stop: number | number[] = open.eos) => {
    const { ids, trained } = await open.encodeSpans(segments, { stop });
    return [...ids].map((id, i) => [open.tokenText(id), trained[i]] as const);
  };

  it('is trained directly after a trained part, and nowhere else', async () => {
    const tokenizer = await openByteLevel('native');
    const segments = [
      { text: '<|user|>a<|end|>', trained: false },
      { text: 'b', trained: true },
      { text: '<|end|>\n<|end|>', trained: false },
    ];
    expect(await flags(tokenizer, segments)).toEqual([
      ['<|user|>', 0],
      ['a', 0],
      ['<|end|>', 0],
      ['b', 1],
      ['<|end|>', 1],
      ['\n', 0],
      ['<|end|>', 0],
    ]);
    expect((await flags(tokenizer, segments, [])).filter(([, on]) => on)).toEqual([['b', 1]]);
  });

  it('may be one of several', async () => {
    const tokenizer = await openByteLevel('native');
    const stops = [...(await tokenizer.encode('<|end|><|assistant|>'))];
    expect(
      await flags(
        tokenizer,
        [
          { text: 'b', trained: true },
          { text: '<|assistant|>', trained: false },
        ],
        stops,
      ),
    ).toEqual([
      ['b', 1],
      ['<|assistant|>', 1],
    ]);
  });

  it('is trained after a trained added token too', async () => {
    const tokenizer = await openByteLevel('native');
    expect(
      await flags(tokenizer, [
        { text: '<|user|>', trained: true },
        { text: '<|end|>', trained: false },
      ]),
    ).toEqual([
      ['<|user|>', 1],
      ['<|end|>', 1],
    ]);
  });
});

describe('added tokens that take white space along', () => {
  const added = [{ id: 1, content: '<|user|>', special: true, lstrip: true, rstrip: true, normalized: false, single_word: false }];
  it.each(ENGINES)('are trained with that space (%s)', async (engine) => {
    const tokenizer = await openByteLevel(engine, { added_tokens: added });
    const { ids, trained } = await tokenizer.encodeSpans([
      { text: 'a ', trained: true },
      { text: ' <|user|>\n', trained: false },
      { text: '\nb', trained: false },
    ]);
    expect([...ids].map((id, i) => [tokenizer.tokenText(id), trained[i]])).toEqual([
      ['a', 1],
      ['<|user|>', 1],
      ['b', 0],
    ]);
  });
});

describe('a tokenizer that rewrites text beyond tracing', () => {
  const lower = { normalizer: { type: 'Lowercase' } };
  const segments = [
    { text: 'The ', trained: false },
    { text: 'CELL 😀 divides', trained: true },
  ];

  it('is followed by the places that the native library gives', async () => {
    const tokenizer = await openByteLevel('native', lower);
    const { ids, trained } = await tokenizer.encodeSpans(segments);
    expect(tokenizer.decode([...ids].filter((_, i) => trained[i] === 1))).toBe(' cell 😀 divides');
  });

  it('is an error with the JavaScript library, which gives none', async () => {
    const tokenizer = await openByteLevel('javascript', lower);
    await expect(tokenizer.encodeSpans(segments)).rejects.toMatchObject({ code: 'unaligned_text', kind: 'data' });
    expect((await tokenizer.encodeSpans([{ text: 'The CELL', trained: false }])).trained.every((flag) => flag === 0)).toBe(true);
  });
});
