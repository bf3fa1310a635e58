import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openTokenizer, trainTokenizer, writeTokenizer } from '../../lib/tokenizer/index.js';
import { ENGINES, folderOf, removeFolders } from './fixtures.js';

afterAll(removeFolders);

const TEXTS = [
  'low low low low low lower lower newest newest newest newest newest newest widest widest widest',
  'Ünïcode wörds, 世界 世界 and 😀😀, <|end|> and numbers 1999 1999.\n\n\ttabs\n',
];
const SPECIAL = ['<|begin|>', '<|end|>'];
const merges = async (text: string, more: object = {}) => (await trainTokenizer([text], { vocabularySize: 1000, ...more })).model.merges;

describe('training', () => {
  it('merges the commonest pair first, of equal ones the one of smaller ids', async () => {
    // t-h and h-e 3 times each: "h e" has the smaller ids. Then t-he.
    expect(await merges('the the the')).toEqual([
      ['h', 'e'],
      ['t', 'he'],
      ['Ġ', 'the'],
    ]);
  });

  it('gives the pieces of the paper', async () => {
    const pieces = Object.keys((await trainTokenizer([TEXTS[0]!], { vocabularySize: 280 })).model.vocab);
    for (const piece of ['est', 'Ġnewest', 'Ġlow', 'Ġwidest']) expect(pieces).toContain(piece);
  });

  it('merges runs of one letter from the left', async () => {
    expect(await merges('aaaaa aaaaa')).toEqual([
      ['a', 'a'],
      ['aa', 'a'],
      ['aa', 'aaa'],
    ]);
  });

  it('leaves rare pairs alone', async () => {
    expect(await merges('abc')).toEqual([]);
    expect(await merges('abc', { minimumCount: 1 })).toHaveLength(2);
    expect(await merges('')).toEqual([]);
  });

  it('learns nothing from special tokens, and nothing across documents', async () => {
    const text = '<|end|>a<|end|>a<|end|>b';
    expect((await trainTokenizer([text], { vocabularySize: 300, specialTokens: SPECIAL })).model.merges).toEqual([]);
    expect((await trainTokenizer(['ab', 'ab', 'b', 'a'], { vocabularySize: 300 })).model.merges).toEqual([['a', 'b']]);
  });

  it('stops at the vocabulary asked for, special tokens first', async () => {
    const json = await trainTokenizer(TEXTS, { vocabularySize: 265, specialTokens: SPECIAL });
    const vocab = json.model.vocab as Record<string, number>;
    expect(Object.keys(vocab)).toHaveLength(265);
    expect([vocab['<|begin|>'], vocab['<|end|>'], vocab['!']]).toEqual([0, 1, 2]);
    expect(json.model.merges).toHaveLength(265 - 258);
  });

  it('is the same for the same text', async () => {
    const options = { vocabularySize: 320, specialTokens: SPECIAL };
    expect(await trainTokenizer(TEXTS, options)).toEqual(await trainTokenizer(TEXTS, options));
  });

  it('refuses a vocabulary without room for the bytes', async () => {
    await expect(trainTokenizer(TEXTS, { vocabularySize: 257, specialTokens: SPECIAL })).rejects.toMatchObject({
      code: 'vocabulary_too_small',
      kind: 'request',
    });
  });

  it('stops when told to', async () => {
    await expect(trainTokenizer(TEXTS, { vocabularySize: 300, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});

describe('a trained tokenizer', () => {
  it('is read by both engines, with the same ids, and gives the text back', async () => {
    const folder = folderOf({});
    const json = await trainTokenizer(TEXTS, { vocabularySize: 320, specialTokens: SPECIAL });
    await writeTokenizer(folder, json, { eosToken: '<|end|>', chatTemplate: '{{ messages }}', modelMaxLength: 512 });
    const text = `${TEXTS.join('\n')}<|begin|> newest  lowest \u00a0\ufeff\0 नमस्ते`;
    const [native, javascript] = await Promise.all(ENGINES.map((engine) => openTokenizer(folder, { engine })));
    const ids = await native!.encode(text);
    expect(await javascript!.encode(text)).toEqual(ids);
    expect(native!.decode(ids)).toBe(text);
    expect(native).toMatchObject({ eos: 1, bos: null, vocabularySize: Object.keys(json.model.vocab).length });
    expect(native!.chatTemplate()).toBe('{{ messages }}');
    expect(ids.length).toBeLessThan(Buffer.byteLength(text) / 2);
    expect(JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8'))).toMatchObject({
      eos_token: '<|end|>',
      model_max_length: 512,
    });
  });
});
