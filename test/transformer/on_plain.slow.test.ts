// The tests of the transformer once more, on the engine of plain loops: what they ask is asked of the surface. Left out are those of rounding to bf16,
// of the kernels' highest rank, and of moments that are read as fp32: that engine has none of these.
import { describe, vi } from 'vitest';

vi.hoisted(() => {
  process.env.ATTUNE_TEST_DEVICE = 'plain';
});

describe('on plain loops', async () => {
  await import('./heads.test.js');
  await import('./temperature.test.js');
  await import('./score.test.js');
  await import('./candidates.test.js');
  await import('./generation.test.js');
  await import('./rollout.test.js');
  await import('./plm.test.js');
  await import('./decay.test.js');
  await import('./encoder.test.js');
});
