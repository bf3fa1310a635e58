import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTokenizer, type Tokenizer } from '../../lib/tokenizer/index.js';
import { folderOf, openByteLevel, piecesOf, removeFolders, sentencePiece } from './fixtures.js';

let bytes: Tokenizer;
let spaces: Tokenizer;
beforeAll(async () => {
  bytes = await openByteLevel('native');
  spaces = await openTokenizer(folderOf({ 'tokenizer.model': sentencePiece(piecesOf(['▁a', '▁ab', '▁▁'])) }));
});
afterAll(removeFolders);

describe('decoding', () => {
  it('leaves nothing out, but special tokens where asked', async () => {
    const ids = await bytes.encode('<|user|>a<|end|>\n');
    expect(bytes.decode(ids)).toBe('<|user|>a<|end|>\n');
    expect(bytes.decode(ids, { skipSpecial: true })).toBe('a\n');
    expect(bytes.decode([])).toBe('');
  });

  it('takes the space off that was put before a text, unless the ids go on from one', async () => {
    const ids = await spaces.encode('ab a');
    expect(spaces.decode(ids)).toBe('ab a');
    expect(spaces.decode(ids, { continues: true })).toBe(' ab a');
    expect(spaces.decode([1, ...ids, 2], { skipSpecial: true })).toBe('ab a');
    expect(spaces.decode(await spaces.encode('  a'))).toBe('  a');
  });

  it('shows bytes that make no character as U+FFFD, and a byte order mark as itself', async () => {
    const [first] = await bytes.encode('丂');
    expect(bytes.decode([first!])).toContain('\ufffd');
    expect(bytes.decode(await bytes.encode('\ufeffa'))).toBe('\ufeffa');
  });

  it('takes ids beyond the vocabulary for no text', () => {
    expect(bytes.decode([-1, bytes.vocabularySize, 1e9])).toBe('');
  });
});

describe('a stream', () => {
  it('gives the same text in pieces, each of whole characters', async () => {
    for (const tokenizer of [bytes, spaces]) {
      const text = 'ab a 世界 😀 é<|end|>';
      const ids = await tokenizer.encode(text);
      const stream = tokenizer.stream();
      const pieces = [...ids].map((id) => stream.push(id));
      expect(pieces.join('') + stream.end()).toBe(text);
      for (const piece of pieces) expect(piece).not.toContain('\ufffd');
    }
  });

  it('gives up what was held back at its end', async () => {
    const stream = bytes.stream();
    const ids = await bytes.encode('😀');
    expect([...ids.subarray(0, -1)].map((id) => stream.push(id)).join('')).toBe('');
    expect(stream.end()).toBe('\ufffd');
  });
});

describe('a token for the eye', () => {
  it('is its text, with its leading space', async () => {
    const [cell] = await bytes.encode(' cell');
    expect([bytes.tokenText(cell!), bytes.tokenText(0)]).toEqual([' cell', '<|end|>']);
    expect([spaces.tokenText(1), spaces.tokenText(3 + 10)]).toEqual(['<s>', '\n']);
  });

  it('is its bytes where they are no whole character', async () => {
    expect(spaces.tokenText(3 + 0xe4)).toBe('<0xE4>');
  });
});
