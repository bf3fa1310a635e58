import { expect, it } from 'vitest';
import { terminateWorkers } from './workers.js';

it('a process outlives forty workers that are terminated in the middle of native work', async () => {
  const { codes, threads, finite } = await terminateWorkers(40);
  expect(codes).toEqual({ 1: 40 });
  // Node's own: the main thread, four of V8's, four of libuv's, and a few more of other versions.
  expect(threads).toBeLessThan(20);
  expect(finite).toBe(true);
});
