import { describe, expect, it } from 'vitest';
import { checkMemory, chooseMicroBatch } from '../../lib/training/memory.js';

const GIB = 2 ** 30;
/** Four GiB fixed, one MiB a token. */
const plan = (tokens: number) => ({ fixed: 4 * GIB, activations: tokens * 2 ** 20 });
const choose = (change: Partial<Parameters<typeof chooseMicroBatch>[0]> = {}) =>
  chooseMicroBatch({ plan, requested: 'auto', longest: 512, stepTokens: 4096, total: 64 * GIB, ...change });

describe('tokens in flight', () => {
  it('are what the recipe says', () => {
    expect(choose({ requested: 100 })).toBe(100);
  });

  it('are those of a step where they are few, and never fewer than the longest sequence', () => {
    expect(choose({ stepTokens: 700 })).toBe(700);
    expect(choose()).toBe(2048);
    expect(choose({ stepTokens: 100 })).toBe(512);
    expect(choose({ longest: 3000 })).toBe(3000);
  });

  it('are halved until the machine can hold them', () => {
    expect(choose({ total: 7 * GIB })).toBe(1024);
    expect(choose({ total: 6 * GIB })).toBe(512);
    expect(choose({ total: 1 * GIB })).toBe(512);
  });
});

describe('a run that does not fit', () => {
  const check = (change: Partial<Parameters<typeof checkMemory>[0]> = {}) =>
    checkMemory({ plan, tokens: 2048, longest: 512, available: 5 * GIB, isBf16: false, isAdapter: false, recomputes: false, ...change });

  it('is refused with need, what there is, and what to change', () => {
    expect(() => check()).toThrow(
      expect.objectContaining({
        code: 'out_of_memory',
        kind: 'work',
        message:
          'training needs about 6.0 GiB (4.0 GiB for weights and optimiser, 2.0 GiB for 2048 tokens in flight), but only 5.0 GiB of memory are ' +
          'available; try train.microBatchTokens below 2048, or train.activationCheckpointing: true, or compute.dtype: bf16, or an adapter in place of all weights, or a smaller model',
      }),
    );
    expect(() => check({ available: 7 * GIB })).not.toThrow();
  });

  it('is given no advice that it follows already', () => {
    expect(() => check({ tokens: 512, available: 4 * GIB, isBf16: true, isAdapter: true, recomputes: true })).toThrow(
      /try train.maxLength below 512, or a smaller model$/,
    );
  });
});
