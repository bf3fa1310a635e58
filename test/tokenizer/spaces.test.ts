/** `tokenizer.json` files in the manner of SentencePiece, in every way in which they say where spaces go. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTokenizer, type Tokenizer } from '../../lib/tokenizer/index.js';
import { ENGINES, folderOf, piecesOf, removeFolders } from './fixtures.js';

afterAll(removeFolders);

const MERGES = ['he', 'll', '▁he', 'llo', '▁hello', '▁w', 'or', '▁wor', 'ld', '▁world', '▁▁', '▁▁▁', 'ab', '▁ab'];
const pieces = piecesOf(MERGES);

const replace = (from: string, to: string) => ({ type: 'Replace', pattern: { String: from }, content: to });
const metaspace = (prepend_scheme: string | undefined, split: boolean | undefined, more = {}) => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme,
  split,
  ...more,
});
const fallback = (strips: number) => ({
  type: 'Sequence',
  decoders: [
    replace('▁', ' '),
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(strips ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ],
});

const VARIANTS: Record<string, object> = {
  'Prepend (Llama 2)': {
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace(' ', '▁')] },
    decoder: fallback(1),
  },
  'Metaspace first, no split': { pre_tokenizer: metaspace('first', false), decoder: fallback(1) },
  'Metaspace always, no split': { pre_tokenizer: metaspace('always', false), decoder: metaspace('always', false) },
  'Metaspace always, split': { pre_tokenizer: metaspace('always', true), decoder: metaspace('always', true) },
  'Metaspace never': { pre_tokenizer: metaspace('never', false), decoder: fallback(0) },
  'Metaspace as older files have it': {
    pre_tokenizer: metaspace(undefined, undefined, { add_prefix_space: true }),
    decoder: metaspace(undefined, undefined, { add_prefix_space: true }),
  },
  'Replace (Gemma)': { normalizer: replace(' ', '▁'), decoder: fallback(0) },
};

function jsonOf(variant: object): object {
  const names = new Map(pieces.map(({ text }, id) => [text, id]));
  const merges = MERGES.flatMap((piece) => {
    const cuts = Array.from({ length: piece.length - 1 }, (_, i) => i + 1);
    const cut = cuts.find((at) => names.has(piece.slice(0, at)) && names.has(piece.slice(at)));
    return cut ? [[piece.slice(0, cut), piece.slice(cut)]] : [];
  });
  const special = (id: number, content: string) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  });
  return {
    version: '1.0',
    added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    model: { type: 'BPE', vocab: Object.fromEntries(names), merges, byte_fallback: true, unk_token: '<unk>', fuse_unk: true },
    ...variant,
  };
}

const words = fc.constantFrom('hello', ' world', ' ', '   ', 'ab', 'é', '😀', '\n', '</s>', 'x');
const anyText = fc.array(words, { maxLength: 7 }).map((parts) => parts.join(''));

describe.each(Object.entries(VARIANTS))('%s', (name, variant) => {
  const loses = name.startsWith('Metaspace') && !name.includes('never');
  let [native, javascript]: [Tokenizer?, Tokenizer?] = [];
  beforeAll(async () => {
    const folder = folderOf({ 'tokenizer.json': jsonOf(variant), 'tokenizer_config.json': { eos_token: '</s>' } });
    [native, javascript] = await Promise.all(ENGINES.map((engine) => openTokenizer(folder, { engine })));
  });

  it('gives the same ids with both engines', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        expect([...(await javascript!.encode(text))]).toEqual([...(await native!.encode(text))]);
      }),
    );
  });

  it('gives a text back that has no added token in it', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const plain = text.replaceAll('</s>', '');
        // A Metaspace that puts a space before a text does so unless there is one, and takes one off either way.
        const expected = loses && plain.startsWith(' ') ? plain.slice(1) : plain;
        expect(native!.decode(await native!.encode(plain))).toBe(expected);
      }),
    );
  });

  it('traces every id back to its segment, without offsets', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, anyText, anyText, async (before, answer, after) => {
        const segments = [
          { text: before, trained: false },
          { text: answer, trained: true },
          { text: after, trained: false },
        ];
        const { ids, trained } = await javascript!.encodeSpans(segments);
        const bytes = (keep: (i: number) => boolean) =>
          Buffer.concat([...ids].flatMap((id, i) => (keep(i) ? [javascript!.tokenBytes(id)] : []))).toString();
        const squeezed = (text: string) => text.replaceAll(' ', '');
        expect(squeezed(bytes(() => true))).toBe(squeezed(before + answer + after));
        expect(squeezed(bytes((i) => trained[i] === 1))).toContain(squeezed(answer));
      }),
    );
  });

  it('trains the space that it puts before an answer by itself, where nothing stands before the answer', async () => {
    const segments = [
      { text: 'ab</s>', trained: false },
      { text: 'x</s>', trained: true }, // no piece begins with a space and x
    ];
    for (const tokenizer of [native!, javascript!]) {
      const { ids, trained } = await tokenizer.encodeSpans(segments);
      const end = ids.indexOf(2);
      expect([...trained]).toEqual([...ids].map((_, i) => Number(i > end)));
    }
  });
});
