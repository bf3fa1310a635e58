import { expect, it } from 'vitest';
import { terminateWorkers } from './workers.js';

it('a process outlives a hundred workers that are terminated in the middle of native work', async () => {
  const { codes, threads, finite } = await terminateWorkers(100);
  expect(codes).toEqual({ 1: 100 });
  expect(threads).toBeLessThan(20);
  expect(finite).toBe(true);
});
