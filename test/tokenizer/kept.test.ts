// A process that trains often opens each tokenizer of the native library once, as the library gives back no memory that one took.
import { expect, it, vi } from 'vitest';
import { keptTokenizer, type NativeTokenizer } from '../../lib/tokenizer/engine.js';

const fake = () => ({ disableTruncation: vi.fn(), disablePadding: vi.fn() }) as unknown as NativeTokenizer;

it('opens a tokenizer once, and another one for another text', () => {
  const open = vi.fn(fake);
  const first = keptTokenizer('{"a":1}', open);
  expect(keptTokenizer('{"a":1}', open)).toBe(first);
  expect(keptTokenizer('{"a":2}', open)).not.toBe(first);
  expect(open).toHaveBeenCalledTimes(2);
  expect(first.disableTruncation).toHaveBeenCalledTimes(1);
});

it('keeps the last eight, those used last among them', () => {
  const used = keptTokenizer('used', fake);
  for (let n = 0; n < 20; n++) {
    keptTokenizer(`other ${n}`, fake);
    expect(keptTokenizer('used', fake)).toBe(used);
  }
  const open = vi.fn(fake);
  keptTokenizer('other 19', open);
  expect(open).not.toHaveBeenCalled();
  keptTokenizer('other 0', open);
  expect(open).toHaveBeenCalledTimes(1);
});

it('keeps none that did not open', () => {
  const broken = () => {
    throw new Error('no tokenizer');
  };
  expect(() => keptTokenizer('broken', broken)).toThrow('no tokenizer');
  expect(() => keptTokenizer('broken', broken)).toThrow('no tokenizer');
});
