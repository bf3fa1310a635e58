import { describe, expect, it } from 'vitest';
import { ceiling, kernelVariants } from '../../lib/kernels/index.js';

describe.each(kernelVariants('ceiling'))('ceiling %s', (variant) => {
  it.each(['f32', 'bf16'] as const)('counts operations (%s)', (dtype) => {
    for (const threads of [1, 2]) {
      const perSecond = ceiling({ kind: 'multiply', dtype, seconds: 0 }, { variant, threads });
      expect(Number.isFinite(perSecond) && perSecond > 0).toBe(true);
    }
  });
  it.each(['read', 'copy'] as const)('counts bytes (%s)', (kind) => {
    for (const bytes of [1, 255, 257, 1 << 16]) expect(ceiling({ kind, bytes, seconds: 0 }, { variant })).toBeGreaterThan(0);
  });
});

it('refuses other kinds and endless runs', () => {
  expect(() => ceiling({ kind: 'divide' as 'read' })).toThrow('[ceiling] kind');
  expect(() => ceiling({ kind: 'read', seconds: 1e9 })).toThrow('[ceiling] seconds');
});
