import { describe, expect, it } from 'vitest';
import { learningRate, type Schedule, warmupSteps } from '../../../lib/training/run/schedule.js';
import { expectRatio, ULPS } from '../../support/bounds.js';

const rates = (steps: number, change: Partial<Schedule> = {}) => {
  const schedule: Schedule = { schedule: 'constant', warmup: 0, decay: 0.2, learningRate: 2e-3, ...change };
  return Array.from({ length: steps }, (_, n) => learningRate(n + 1, steps, schedule));
};

describe('the learning rate', () => {
  it('is the full one from step 1 on when constant without warm-up', () => {
    expect(rates(3)).toEqual([2e-3, 2e-3, 2e-3]);
  });

  it.each(['linear', 'cosine', 'constant', 'wsd'] as const)(
    'of %s rises to its highest at step warmup + 1, then never rises',
    (schedule) => {
      const all = rates(20, { schedule, warmup: 4 });
      expect(all.indexOf(Math.max(...all))).toBe(4);
      expect(all[4]).toBe(2e-3);
      expectRatio(all[0]!, 2e-3 / 5, ULPS, 'first rate');
      for (let n = 1; n < 20; n++) {
        const rises = (all[n] as number) - (all[n - 1] as number);
        if (n <= 4) expect(rises).toBeGreaterThan(0);
        else expect(rises).toBeLessThanOrEqual(0);
      }
      expect(all.every((rate) => rate > 0)).toBe(true);
    },
  );

  it('falls evenly, by a cosine, or late and fast', () => {
    expect(rates(4, { schedule: 'linear' })).toEqual([2e-3, 1.5e-3, 1e-3, 0.5e-3]);
    const cosine = rates(2, { schedule: 'cosine' });
    expect(cosine[0]).toBe(2e-3);
    expectRatio(cosine[1]!, 1e-3, ULPS, 'half of the way');
    const wsd = rates(10, { schedule: 'wsd', decay: 0.3 });
    expect(wsd.slice(0, 7)).toEqual(Array(7).fill(2e-3));
    for (const k of [1, 2, 3]) expectRatio(wsd[6 + k]!, 2e-3 * (1 - Math.sqrt(k / 4)), ULPS, `rate ${k} of the fall`);
    expect(wsd).toHaveLength(10);
  });

  it('takes warm-up as a share below 1 and as steps from 1 on', () => {
    expect([warmupSteps(0, 100), warmupSteps(0.05, 100), warmupSteps(1, 100), warmupSteps(30, 100), warmupSteps(0.04, 10)]).toEqual([
      0, 5, 1, 30, 0,
    ]);
  });

  it('is defined where the whole run is warm-up, or one step', () => {
    expect(rates(3, { schedule: 'cosine', warmup: 10 }).every((rate) => rate > 0 && rate < 2e-3)).toBe(true);
    for (const schedule of ['linear', 'cosine', 'constant', 'wsd'] as const)
      expect(rates(1, { schedule }).every((rate) => rate > 0 && rate <= 2e-3)).toBe(true);
  });
});
