import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type SampleArguments, sample } from '../../lib/kernels/index.js';
import { numbers } from './harness.js';

interface Recorded {
  logits: number[];
  options: Omit<SampleArguments, 'logits' | 'seen'> & { seen?: number[] };
  probabilities: number[];
}
const { cases } = JSON.parse(readFileSync(new URL('../reference/sample.json', import.meta.url), 'utf8')) as { cases: Recorded[] };

function logprob(logits: ArrayLike<number>, id: number, temperature: number): number {
  const z = Array.from(logits, (x) => x / temperature);
  const top = Math.max(...z);
  return z[id]! - top - Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

describe('draws from what transformers leaves', () => {
  it.each(cases)('$options of $logits.length', ({ logits, options, probabilities }) => {
    const args = { ...options, logits: Float32Array.from(logits), seen: options.seen && Int32Array.from(options.seen) } as SampleArguments;
    let below = 0;
    for (const [id, p] of probabilities.entries()) {
      // Just inside both ends of the id's stretch of 0 … 1: the stretches, and so the probabilities, are the same.
      const inside = Math.min(1e-6, p / 3);
      for (const unit of p > 0 ? [below + inside, below + p / 2, below + p - inside] : []) {
        const got = sample({ ...args, unit });
        expect(got.id, `unit ${unit}`).toBe(id);
        expect(Math.abs(got.logprob - logprob(logits, id, options.temperature ?? 1))).toBeLessThan(2e-6);
      }
      below += p;
    }
  });
});

describe('sample', () => {
  it('is greedy at temperature 0: the smallest id among equals', () => {
    const logits = Float32Array.of(1, 3, -2, 3, 0);
    const got = sample({ logits, temperature: 0, unit: 0.9 });
    expect(got.id).toBe(1);
    expect(got.logprob).toBeCloseTo(logprob(logits, 1, 1), 6);
    expect(sample({ logits, temperature: 0, repetitionPenalty: 4, seen: Int32Array.of(1, 1) }).id).toBe(3);
  });
  it('keeps equals of the k-th, and smaller ids first among equals under top-p', () => {
    const logits = Float32Array.of(0, 1, 1, 1);
    const drawn = (args: Partial<SampleArguments>) =>
      [...new Set(Array.from({ length: 100 }, (_, i) => sample({ logits, unit: i / 100, ...args }).id))].sort();
    expect(drawn({ topK: 2 })).toEqual([1, 2, 3]);
    expect(drawn({ topP: 0.3 })).toEqual([1, 2]);
    expect(drawn({ topP: 0 })).toEqual([1]);
    expect(drawn({ minP: 1 })).toEqual([1, 2, 3]);
  });
  it('draws with the right shares from many', () => {
    const logits = numbers(1000, 5, 2);
    const counts = new Float64Array(1000);
    for (let i = 0; i < 4000; i++) counts[sample({ logits, unit: (i + 0.5) / 4000 }).id]! += 1 / 4000;
    for (const [id, share] of counts.entries()) expect(Math.abs(share - Math.exp(logprob(logits, id, 1)))).toBeLessThan(1 / 4000 + 1e-9);
  });
  it('ends at the last possible id when the unit is 1', () => {
    expect(sample({ logits: Float32Array.of(0, 0, Number.NEGATIVE_INFINITY), unit: 1 }).id).toBe(1);
  });
  it('shows logits that have no distribution', () => {
    expect(sample({ logits: Float32Array.of(0, Number.NaN, 3), topK: 1, topP: 0.5 })).toEqual({ id: 1, logprob: Number.NaN });
    const none = Float32Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY);
    expect(sample({ logits: none })).toEqual({ id: 0, logprob: Number.NaN });
    expect(sample({ logits: Float32Array.of(0, Number.POSITIVE_INFINITY) })).toEqual({ id: 1, logprob: Number.NaN });
  });
  it('names what it cannot use', () => {
    const logits = Float32Array.of(1, 2);
    expect(() => sample({ logits: new Float32Array(0) })).toThrow('[sample] logits: expected at least one number');
    expect(() => sample({ logits, seen: Int32Array.of(2) })).toThrow('[sample] seen[0]: expected 0 to 1, got 2');
    expect(() => sample({ logits, topP: 1.5 })).toThrow('[sample] topP: expected 0');
    expect(() => sample({ logits, temperature: -1 })).toThrow('[sample] temperature: expected 0');
    expect(() => sample({ logits, topK: 0.5 })).toThrow('[sample] topK: expected a whole number from 0');
  });
});

describe('drawing from all ids', () => {
  // What is cut at a least probability of 0 goes another way through the kernel, and must come to the same.
  it.each([1, 2, 255, 256, 257, 1000, 5000])('is drawing with a cut that cuts nothing: %i ids', (V) => {
    const logits = numbers(V, 31 + V, 4);
    if (V > 2) logits[V - 1] = Number.NEGATIVE_INFINITY;
    for (const temperature of [1, 0.3, 2.5])
      for (const unit of [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999, 0.9999999]) {
        const [plain, cut] = [sample({ logits, unit, temperature }), sample({ logits, unit, temperature, minP: 1e-300 })];
        expect(plain.id).toBe(cut.id);
        expect(Math.abs(plain.logprob - cut.logprob)).toBeLessThan(1e-6);
      }
    if (V > 2) expect(sample({ logits, unit: 1 }).id).toBe(V - 2);
  });
  it('goes past ids of no probability', () => {
    const logits = new Float32Array(600).fill(Number.NEGATIVE_INFINITY);
    logits[300] = -800;
    logits[599] = 0;
    expect(sample({ logits, unit: 0 })).toEqual({ id: 300, logprob: -800 });
    expect(sample({ logits, unit: 0.5 })).toEqual({ id: 599, logprob: 0 });
  });
});
