// WordPiece: `vocab.txt` alone and a tokenizer.json, with both libraries, against ids worked out by hand.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { scratchFolder } from '../support/tiny_model.js';
import { wordPieceJson } from '../support/tiny_tokenizer.js';

const VOCABULARY = '[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat ##s ##ting . mat hello !'.split(' ');
const room = scratchFolder();

function folder(name: string, files: Record<string, string>): string {
  const path = join(room, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}
const words = { 'vocab.txt': `${VOCABULARY.join('\n')}\n` };

const json = {
  ...wordPieceJson(VOCABULARY, VOCABULARY.slice(0, 5)),
  post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
};

const folders = { 'vocab.txt': folder('words', words), 'tokenizer.json': folder('json', { 'tokenizer.json': JSON.stringify(json) }) };

describe.each(Object.entries(folders))('%s', (_name, path) => {
  it.each(['native', 'javascript'] as const)('cuts words with the %s library', async (engine) => {
    const tokenizer = await openTokenizer(path, { engine });
    expect([...(await tokenizer.encode('The Cats sat. Héllo, mats!'))]).toEqual([5, 6, 8, 7, 10, 12, 1, 11, 8, 13]);
    expect([...(await tokenizer.encode('the [MASK] sat'))]).toEqual([5, 4, 7]);
    expect(tokenizer).toMatchObject({ bos: 2, eos: 3, mask: 4, vocabularySize: VOCABULARY.length });
    expect(tokenizer.special).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(tokenizer.decode([5, 6, 8, 7, 9, 10])).toBe('the cats satting .');
    expect(tokenizer.tokenText(8)).toBe('s');
  });

  it.each(['native', 'javascript'] as const)('marks a whole text as trained with the %s library', async (engine) => {
    const tokenizer = await openTokenizer(path, { engine });
    const { ids, trained } = await tokenizer.encodeSpans([
      { text: 'The Cats ', trained: true },
      { text: 'SAT', trained: true },
    ]);
    expect([[...ids], [...trained]]).toEqual([
      [5, 6, 8, 7],
      [1, 1, 1, 1],
    ]);
  });
});

describe('vocab.txt', () => {
  it('keeps capitals where the settings say so', async () => {
    const path = folder('cased', { ...words, 'tokenizer_config.json': JSON.stringify({ do_lower_case: false }) });
    expect([...(await (await openTokenizer(path)).encode('The cat'))]).toEqual([1, 6]);
  });

  it('needs its special tokens', async () => {
    const path = folder('bare', { 'vocab.txt': 'the\ncat\n' });
    await expect(openTokenizer(path)).rejects.toMatchObject({ code: 'malformed_tokenizer', message: expect.stringContaining('[UNK]') });
  });
});
