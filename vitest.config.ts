import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

const slow = process.env.ATTUNE_TEST_SLOW === '1';

export default defineConfig({
  test: {
    include: [slow ? 'test/**/*.slow.test.ts' : 'test/**/*.test.ts'],
    exclude: slow ? configDefaults.exclude : [...configDefaults.exclude, 'test/**/*.slow.test.ts'],
    // A process each: a fault in native code then ends one file, not the run, and every file loads the addon as a program does.
    pool: 'forks',
    maxWorkers: availableParallelism(),
    // A guard against hangs, wide enough for a busy machine; nothing is judged by its time.
    testTimeout: slow ? 1_800_000 : 120_000,
    hookTimeout: 120_000,
  },
});
