// The bounds themselves: they hold for sums that round at random, and fail for what is off by a little more, for NaN and for nothing at all.
import { describe, expect, it } from 'vitest';
import { compare, compareStored, numbers, relativeError, roundBf16 } from '../kernels/harness.js';
import { expectNear, expectRatio, sumBound } from './bounds.js';

const ROUND = { f32: Math.fround, bf16: (x: number) => roundBf16([x])[0]! };

describe('a bound of a sum', () => {
  it.each(['f32', 'bf16'] as const)('%s: holds for adding in order, and is no more than 50 times what that errs by', (dtype) => {
    const errors: number[] = [];
    for (const terms of [2, 10, 100, 1000]) {
      for (let seed = 0; seed < 40; seed++) {
        const values = Array.from(numbers(terms, seed), ROUND[dtype]);
        const got = values.reduce((total, x) => ROUND[dtype](total + x), 0);
        const size = values.reduce((total, x) => total + Math.abs(x), 0);
        const exact = values.reduce((total, x) => total + x, 0);
        errors.push(Math.abs(got - exact) / sumBound(terms, size, dtype));
      }
    }
    expect(Math.max(...errors)).toBeLessThan(1);
    expect(Math.max(...errors)).toBeGreaterThan(1 / 50);
  });
});

describe('nearness', () => {
  const expected = numbers(100, 1);

  it('is told of the norm, with the furthest numbers', () => {
    const scaled = (by: number) => expected.map((x) => x * by);
    expectNear(scaled(1 + 0.9e-3), expected, 1e-3, 'scaled');
    expect(() => expectNear(scaled(1 + 1.1e-3), expected, 1e-3, 'scaled')).toThrow(
      /scaled: off by 0.0011\d+ of its norm, bound 0.001; furthest at \[/,
    );
    const one = expected.with(7, expected[7]! + 1);
    expect(() => expectNear(one, expected, 1e-3, 'one')).toThrow(`furthest at [7]: got ${one[7]}, expected ${expected[7]}`);
    expect(() => expectRatio(1 + 2e-6, 1, 1e-6, 'ratio')).toThrow('ratio: off by');
  });

  it('is nowhere with NaN, of another length, or of nothing', () => {
    expect(() => expectNear(expected.with(3, Number.NaN), expected, 1, 'NaN')).toThrow('furthest at [3]: got NaN');
    expect(() => expectRatio(Number.NaN, 1, 1, 'NaN')).toThrow('got NaN');
    expect(() => expectNear(expected.subarray(1), expected, 1, 'short')).toThrow('relativeError of 99 numbers, where 100 are expected');
    for (const compared of [compare, (...all: Parameters<typeof compare>) => compareStored('f32', ...all)])
      expect(() => compared(expected.with(3, Number.NaN), expected, 1)).toThrow('value[3]: got NaN');
    expect(() => relativeError([], [])).toThrow('relativeError of no numbers');
  });
});
