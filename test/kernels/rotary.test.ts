import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { kernelVariants, type RotaryScaling, rotary, rotaryFrequencies } from '../../lib/kernels/index.js';
import { compareStored, numbers, roundBf16 } from './harness.js';

interface Recorded {
  parameters: Record<string, number | string | boolean>;
  headSize: number;
  length: number;
  frequencies: number[];
  attentionFactor: number;
  positions: number[];
  cos: number[];
  sin: number[];
}
const { cases } = JSON.parse(readFileSync(new URL('../reference/rotary.json', import.meta.url), 'utf8')) as { cases: Recorded[] };

const NAMES: Record<string, keyof RotaryScaling> = {
  rope_type: 'kind',
  rope_theta: 'base',
  factor: 'factor',
  low_freq_factor: 'lowFreqFactor',
  high_freq_factor: 'highFreqFactor',
  original_max_position_embeddings: 'originalContext',
  max_position_embeddings: 'context',
  beta_fast: 'betaFast',
  beta_slow: 'betaSlow',
  attention_factor: 'attentionFactor',
  mscale: 'mscale',
  mscale_all_dim: 'mscaleAllDim',
  truncate: 'truncate',
};
const scaling = (parameters: Recorded['parameters']) =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [NAMES[name], value])) as RotaryScaling;
const bits = (x: number) => new Int32Array(Float32Array.of(x).buffer)[0]!;

describe('frequencies', () => {
  it.each(cases)('of transformers: $parameters, head $headSize, length $length', ({ parameters, headSize, length, ...expected }) => {
    const got = rotaryFrequencies({ ...scaling(parameters), headSize, length });
    expect(got.attentionFactor).toBe(Math.fround(expected.attentionFactor));
    expect(got.frequencies.length).toBe(headSize / 2);
    // PyTorch's vectors round one power in a hundred to the wrong side, each instruction set another: a unit or two in the last place.
    const units = expected.frequencies.map((f, i) => Math.abs(bits(f) - bits(got.frequencies[i]!)));
    expect(Math.max(...units), `units in the last place: ${units}`).toBeLessThanOrEqual(2);
    expect(units.filter((unit) => unit > 0).length).toBeLessThanOrEqual(2);
  });
  it('are equal to the bit in 98 of 100 places, and everywhere for the heads of Llama (10000 and 500000, 64 and 128)', () => {
    let [all, equal] = [0, 0];
    for (const { parameters, headSize, length, frequencies } of cases) {
      const got = rotaryFrequencies({ ...scaling(parameters), headSize, length }).frequencies;
      const same = frequencies.filter((f, i) => Math.fround(f) === got[i]).length;
      all += got.length;
      equal += same;
      const llama = ['default', 'linear', 'llama3'].includes(String(parameters.rope_type)) && headSize % 64 === 0;
      if (llama && parameters.rope_theta !== 1000000) expect(same).toBe(got.length);
    }
    expect(equal / all).toBeGreaterThanOrEqual(0.98);
  });
  it.each([
    [{ headSize: 7 }, '[rotary] expected an even head size, got 7'],
    [{ headSize: 8, base: 0 }, '[rotary] expected a base (rope_theta) above 0'],
    [{ headSize: 8, kind: 'linear', factor: 0 }, '[rotary] expected a factor above 0'],
    [{ headSize: 8, kind: 'yarn', factor: 2 }, '[rotary] expected original_max_position_embeddings'],
    [{ headSize: 8, kind: 'dynamic', factor: 2 }, '[rotary] dynamic: expected the context (max_position_embeddings)'],
    [{ headSize: 8, kind: 'ntk' as 'yarn' }, '[rotary_frequencies] kind: expected one of default, linear, dynamic, llama3, yarn, got'],
  ] as const)('refuses %o', (args, message) => {
    expect(() => rotaryFrequencies(args)).toThrow(message);
  });
});

/** In double from the frequencies themselves. */
function plain(x: Float32Array, positions: Int32Array, heads: number, d: number, sign: number, args: RotaryScaling) {
  const { frequencies, attentionFactor } = rotaryFrequencies({ ...args, headSize: d, length: Math.max(0, ...positions) + 1 });
  const y = new Float64Array(x.length);
  for (let row = 0; row < positions.length * heads; row++)
    for (let i = 0; i < d / 2; i++) {
      const angle = Math.fround(positions[Math.floor(row / heads)]! * frequencies[i]!);
      const [c, s] = [Math.cos(angle) * attentionFactor, sign * Math.sin(angle) * attentionFactor];
      const [a, b] = [x[row * d + i]!, x[row * d + d / 2 + i]!];
      y[row * d + i] = a * c - b * s;
      y[row * d + d / 2 + i] = b * c + a * s;
    }
  return y;
}

describe('cosines and sines', () => {
  it.each(cases)(
    'of transformers: $parameters, head $headSize, length $length',
    ({ parameters, headSize, length, positions, cos, sin }) => {
      const half = headSize / 2;
      // A pair (1, 0) turns into (cos, sin).
      const x = Float32Array.from({ length: positions.length * headSize }, (_, i) => (i % headSize < half ? 1 : 0));
      const got = rotary(
        { ...scaling(parameters), x, positions: Int32Array.from(positions), headSize, length },
        { variant: 'reference' },
      ).x;
      positions.forEach((position, m) => {
        const limit = 1e-6 + position * 1.2e-7; // one unit in the last place of a frequency, times the position
        for (let i = 0; i < half; i++) {
          expect(Math.abs(got[m * headSize + i]! - cos[m * half + i]!)).toBeLessThanOrEqual(limit);
          expect(Math.abs(got[m * headSize + half + i]! - sin[m * half + i]!)).toBeLessThanOrEqual(limit);
        }
      });
    },
  );
});

describe.each(kernelVariants('rotary'))('rotary %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    const data = (n: number) => (dtype === 'bf16' ? roundBf16(numbers(n, 1)) : numbers(n, 1));
    it.each([
      [0, 1, 64],
      [1, 1, 2],
      [31, 2, 20],
      [33, 3, 66],
      [70, 2, 128],
    ])('agrees with double arithmetic: %i rows, %i heads of %i', (N, heads, headSize) => {
      const args = { kind: 'yarn', factor: 4, originalContext: 64, base: 10000, headSize, heads } as const;
      const positions = Int32Array.from({ length: N }, (_, i) => (i * 37) % 500);
      const x = data(N * heads * headSize);
      const got = rotary({ ...args, x, positions, dtype }, { variant });
      compareStored(dtype, got.x, plain(x, positions, heads, headSize, 1, args), 1e-6, 'x');
      const back = rotary({ ...args, x, positions, dtype, inverse: true }, { variant });
      compareStored(dtype, back.x, plain(x, positions, heads, headSize, -1, args), 1e-6, 'inverse');
      expect(rotary({ ...args, x, positions, dtype }, { variant, threads: 2 })).toEqual(got);
    });
    it('shows a NaN in its pair and nowhere else', () => {
      const x = data(3 * 8);
      x[9] = Number.NaN;
      const got = rotary({ x, positions: Int32Array.of(0, 1, 2), headSize: 8, dtype }, { variant }).x;
      expect(Array.from(got, Number.isNaN)).toEqual(Array.from(got, (_, i) => i === 9 || i === 13));
    });
  });
});

it('names the argument of a wrong length', () => {
  const positions = Int32Array.of(0, 1);
  expect(() => rotary({ x: new Float32Array(9), positions, headSize: 4 })).toThrow(
    '[rotary] x: expected a Float32Array of 8, got Float32Array of 9',
  );
  expect(() => rotary({ x: new Float32Array(4), positions: Int32Array.of(-1), headSize: 4 })).toThrow(
    '[rotary] positions[0]: expected 0 to 1073741824, got -1',
  );
});
