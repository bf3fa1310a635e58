import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openTokenizer, type Tokenizer } from '../../lib/tokenizer/index.js';
import { ENGINES, folderOf, piecesOf, removeFolders, sentencePiece, type TestPiece } from './fixtures.js';

afterAll(removeFolders);

const MERGES = ['▁▁', 'he', 'll', '▁he', 'llo', '▁hello', 'lo', 'el', '▁w', 'or', '▁wor', 'ld', '▁world', '▁▁▁', 'ab', 'ba'];

const open = (engine: 'native' | 'javascript', files: Record<string, Uint8Array | object> = {}): Promise<Tokenizer> =>
  openTokenizer(folderOf({ 'tokenizer.model': sentencePiece(piecesOf(MERGES)), ...files }), { engine });

/** SentencePiece's own way, written out: the best pair of neighbours first, of equal ones the leftmost. */
function byTheRule(text: string, pieces: TestPiece[]): string[] {
  const scores = new Map(pieces.flatMap(({ text: piece, score = 0, type = 1 }) => (type === 1 ? [[piece, score] as const] : [])));
  const symbols = text === '' ? [] : [...`▁${text.replaceAll(' ', '▁')}`];
  for (;;) {
    let best = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const score = scores.get(symbols[i]! + symbols[i + 1]!);
      if (score !== undefined && (best < 0 || score > scores.get(symbols[best]! + symbols[best + 1]!)!)) best = i;
    }
    if (best < 0) break;
    symbols.splice(best, 2, symbols[best]! + symbols[best + 1]!);
  }
  const bytes = (symbol: string) => Array.from(Buffer.from(symbol), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  return symbols.flatMap((symbol) => (scores.has(symbol) ? [symbol] : bytes(symbol)));
}

describe.each(ENGINES)('a tokenizer.model, %s engine', (engine) => {
  const pieces = piecesOf(MERGES);
  const names = (ids: Iterable<number>) => Array.from(ids, (id) => pieces[id]!.text);

  it('gives the pieces that SentencePiece would', async () => {
    const tokenizer = await open(engine);
    const words = fc.constantFrom('hello', ' world', ' ', '   ', 'ab', 'aba', 'babab', 'é', '😀', '\n', '<s>', '</s>', '<0x0A>', 'x');
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 8 }), async (parts) => {
        const text = parts.join('');
        const ids = await tokenizer.encode(text);
        expect(names(ids)).toEqual(byTheRule(text, pieces));
        expect(tokenizer.decode(ids)).toBe(text);
      }),
    );
  });

  it('finds control, unknown and byte pieces nowhere in a text', async () => {
    const tokenizer = await open(engine);
    const ids = await tokenizer.encode('</s><unk><s><0x0A>');
    expect([...ids].filter((id) => id <= 2)).toEqual([]);
    expect(tokenizer.decode(ids)).toBe('</s><unk><s><0x0A>');
  });

  it('finds control pieces in the text of a chat template', async () => {
    const tokenizer = await open(engine);
    const text = '<s>hello</s>world<s>';
    expect(names(await tokenizer.encode(text, { special: true }))).toEqual(['<s>', '▁hello', '</s>', '▁world', '<s>']);
    const { ids, trained } = await tokenizer.encodeSpans(
      [
        { text: '<s>', trained: false },
        { text: 'hello', trained: true },
        { text: '</s>world<s>', trained: false },
      ],
      { special: true, stop: tokenizer.eos },
    );
    expect(names(ids)).toEqual(['<s>', '▁hello', '</s>', '▁world', '<s>']);
    expect([...trained]).toEqual([0, 1, 1, 0, 0]);
  });

  it('puts a space before the beginning only, where tokenizer_config.json says legacy: false', async () => {
    const tokenizer = await open(engine, { 'tokenizer_config.json': { legacy: false } });
    expect(names(await tokenizer.encode('<s>hello</s> world', { special: true }))).toEqual(['<s>', 'he', 'llo', '</s>', '▁world']);
  });

  it('takes user-defined pieces whole', async () => {
    const more: TestPiece[] = [
      { text: '<tool>', type: 4 },
      { text: '▁▁▁▁', type: 4 },
    ];
    const all = piecesOf(MERGES, more);
    const tokenizer = await open(engine, { 'tokenizer.model': sentencePiece(all) });
    const ids = await tokenizer.encode('hello<tool>hello    x');
    expect(Array.from(ids, (id) => all[id]!.text)).toEqual(['▁hello', '<tool>', 'he', 'llo', '▁▁▁▁', '<0x78>']);
    expect(tokenizer.decode(ids)).toBe('hello<tool>hello    x');
    const { trained } = await tokenizer.encodeSpans([
      { text: 'hello', trained: false },
      { text: '<tool>hello', trained: true },
      { text: '    x', trained: false },
    ]);
    expect([...trained]).toEqual([0, 1, 1, 1, 0, 0]);
  });

  it('adds no space where the model has no dummy prefix', async () => {
    const tokenizer = await open(engine, { 'tokenizer.model': sentencePiece(pieces, { prefix: false }) });
    const ids = await tokenizer.encode('hello world');
    expect(names(ids)).toEqual(['he', 'llo', '▁world']);
    expect(tokenizer.decode(ids)).toBe('hello world');
    expect(tokenizer.decode(await tokenizer.encode(' world'))).toBe(' world');
  });

  it('counts borders in bytes, a typed ▁ included', async () => {
    const tokenizer = await open(engine);
    const { ids, trained } = await tokenizer.encodeSpans([
      { text: 'hello', trained: false },
      { text: '▁world 😀', trained: true },
      { text: ' ab', trained: false },
    ]);
    const kept = [...ids].filter((_, i) => trained[i] === 1);
    expect(tokenizer.decode(kept, { continues: true })).toBe(' world 😀');
    expect([...trained].lastIndexOf(1)).toBeLessThan(ids.length - 1);
  });
});

describe('begin and end of a tokenizer.model', () => {
  it('are its own pieces', async () => {
    const { bos, eos, ends, vocabularySize, specialTokens } = await open('native');
    expect({ bos, eos, ends, vocabularySize }).toEqual({ bos: 1, eos: 2, ends: [2], vocabularySize: piecesOf(MERGES).length });
    expect(specialTokens).toMatchObject({ bos_token: '<s>', eos_token: '</s>' });
  });

  it('follow tokenizer_config.json', async () => {
    const tokenizer = await open('native', {
      'tokenizer_config.json': { add_bos_token: false, eos_token: { content: '<s>' } },
      'generation_config.json': { eos_token_id: [2, 1] },
    });
    expect(tokenizer).toMatchObject({ bos: null, eos: 1, ends: [2, 1] });
  });

  it('may be tokens that were added behind its pieces', async () => {
    const size = piecesOf(MERGES).length;
    const tokenizer = await open('native', {
      'tokenizer_config.json': { eos_token: '<|im_end|>' },
      'added_tokens.json': { '<|im_start|>': size, '<|im_end|>': size + 1 },
    });
    expect(tokenizer).toMatchObject({ eos: size + 1, vocabularySize: size + 2 });
    expect([...(await tokenizer.encode('hello<|im_end|>', { special: true }))].at(-1)).toBe(size + 1);
    expect([...(await tokenizer.encode('hello<|im_end|>'))]).not.toContain(size + 1);
  });
});
