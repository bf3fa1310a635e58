import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

const slow = process.env.ATTUNE_TEST_SLOW === '1';
// Under a sanitizer (see scripts/sanitize.mjs) everything that a test asks of native code takes ten times longer or more.
const sanitized = process.env.ATTUNE_SANITIZED !== undefined;
// The library of a sanitizer is for the processes that load the addon, not for this one with its compiler.
if (process.env.ATTUNE_PRELOAD) process.env.LD_PRELOAD = process.env.ATTUNE_PRELOAD;

export default defineConfig({
  test: {
    include: [slow ? 'test/**/*.slow.test.ts' : 'test/**/*.test.ts'],
    exclude: slow ? configDefaults.exclude : [...configDefaults.exclude, 'test/**/*.slow.test.ts'],
    // Guard bytes around the buffers of every kernel call (native/cpu/guard.h); a sanitizer watches them itself.
    env: sanitized ? {} : { ATTUNE_KERNEL_GUARDS: '1' },
    // A process each: a fault in native code then ends one file, not the run, and every file loads the addon as a program does.
    pool: 'forks',
    maxWorkers: availableParallelism(),
    // A guard against hangs, wide enough for a busy machine; nothing is judged by its time.
    testTimeout: slow || sanitized ? 1_800_000 : 120_000,
    hookTimeout: sanitized ? 1_800_000 : 120_000,
  },
});
