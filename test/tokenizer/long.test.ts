import { afterAll, describe, expect, it } from 'vitest';
import { CHUNK, chunkRuleOf, chunks, markedChunks } from '../../lib/tokenizer/chunks.js';
import { openEngine } from '../../lib/tokenizer/engine.js';
import type { TokenizerJson } from '../../lib/tokenizer/format.js';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { normaliserOf } from '../../lib/tokenizer/normalise.js';
import { byteLevel, ENGINES, folderOf, openByteLevel, piecesOf, removeFolders, sentencePiece } from './fixtures.js';

afterAll(removeFolders);

const LINES = ['The cell divides again, ', "it's 1999;  two spaces", '\n\n\tThe cells', ' 世界 é\u0301', ' e\u0301 <|end|> x', ' a b c d'];
/** A text longer than two parts, in no simple rhythm. */
const LONG = Array.from({ length: Math.ceil((2.5 * CHUNK) / 16) }, (_, i) => LINES[(i * i + (i >> 3)) % LINES.length]).join('');

describe('a long text', () => {
  it.each([
    ['plain', {}],
    ['NFC', { normalizer: { type: 'NFC' } }],
    ['with a space put before it', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true } }],
  ])('has the ids of the whole though it is cut: %s', async (_, changes) => {
    const json = (await byteLevel(changes)) as TokenizerJson;
    const rule = chunkRuleOf(json, normaliserOf(json, 'byteLevel'));
    expect(chunks(LONG, rule).length).toBeGreaterThan(2);
    const [whole] = await (await openEngine(json, 'tokenizer.json', 'native')).encode([LONG]);
    const tokenizer = await openByteLevel('native', changes);
    const ids = await tokenizer.encode(LONG);
    expect(Buffer.from(ids.buffer).equals(Buffer.from(Int32Array.from(whole!).buffer))).toBe(true);
    const { trained } = await tokenizer.encodeSpans([
      { text: LONG.slice(0, CHUNK + 7), trained: false },
      { text: LONG.slice(CHUNK + 7), trained: true },
    ]);
    expect(trained.indexOf(1)).toBeGreaterThan(0);
    expect(trained.subarray(trained.indexOf(1)).every((flag) => flag === 1)).toBe(true);
  });

  it('of a tokenizer.model is cut before spaces only, and comes back whole', async () => {
    const tokenizer = await openTokenizer(folderOf({ 'tokenizer.model': sentencePiece(piecesOf(['he', '▁he', '▁▁', 'll'])) }));
    expect(tokenizer.decode(await tokenizer.encode(LONG))).toBe(LONG);
    const marked = `▁${LONG.replaceAll(' ', '▁')}`;
    const parts = markedChunks(marked, true);
    expect(parts.join('')).toBe(marked);
    expect(parts.slice(1).every((part) => part.startsWith('▁'))).toBe(true);
    expect(parts.slice(0, -1).every((part) => !part.endsWith('▁'))).toBe(true);
  });

  it.each([
    [
      'an added token that has a space behind a letter',
      { added_tokens: [{ id: 0, content: 'a b', special: true, lstrip: false, rstrip: false, normalized: false, single_word: false }] },
    ],
    [
      'an added token that takes spaces along',
      { added_tokens: [{ id: 0, content: '<x>', special: true, lstrip: false, rstrip: true, normalized: false, single_word: false }] },
    ],
    ['a pattern that is not known', { pre_tokenizer: { type: 'Split', pattern: { Regex: '.+' }, behavior: 'Isolated', invert: false } }],
    ['no split at all', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false } }],
    ['rewriting that is not known', { normalizer: { type: 'Strip', strip_left: true, strip_right: true } }],
    ['rewriting across spaces', { normalizer: { type: 'Replace', pattern: { String: 'a b' }, content: 'c' } }],
  ])('stays whole with %s', async (_, changes) => {
    const json = (await byteLevel(changes)) as TokenizerJson;
    expect(chunkRuleOf(json, normaliserOf(json, 'byteLevel'))).toBeUndefined();
    expect(chunks(LONG, undefined)).toEqual([LONG]);
  });

  it.each(ENGINES)('without any place to cut is done in time that grows with its length (%s)', async (engine) => {
    const tokenizer = await openByteLevel(engine);
    for (const text of ['a'.repeat(100_000), '世'.repeat(50_000), ' '.repeat(50_000), '<|end|>'.repeat(20_000)])
      expect(tokenizer.decode(await tokenizer.encode(text))).toBe(text);
  });

  it('of many segments and added tokens is flagged in time that grows with its length', async () => {
    const tokenizer = await openByteLevel('native');
    const segments = Array.from({ length: 60_000 }, (_, i) => ({ text: i % 2 ? 'cell' : '<|user|>', trained: i % 2 === 1 }));
    const { ids, trained } = await tokenizer.encodeSpans(segments);
    expect(trained.reduce((sum, flag) => sum + flag, 0)).toBe(ids.length - 30_000);
  });
});
