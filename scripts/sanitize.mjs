// Builds the addon with sanitizers and runs under each of them what works on memory and threads. Ends with one line: `N passed, N failed`.
//
//   npm run test:sanitize [-- address|thread …] [-- FILTER… vitest options]       e.g. npm run test:sanitize -- thread kernels/matmul
//
// `address` (with the checks for undefined behaviour) and `thread` are builds of their own, in build/address and build/thread.
import { resolve } from 'node:path';
import { build } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { ask, main, root, ScriptError } from './command.mjs';
import { closingLine, vitest } from './test.mjs';

// Leaks are not asked for: node itself keeps much to its end. Sizes that no machine has must come back as an error, not end the process.
const ADDRESS = 'detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=3000:halt_on_error=1:abort_on_error=1';

const SANITIZERS = {
  address: {
    flags: 'address,undefined',
    libraries: ['libasan.so', 'libubsan.so'],
    env: { ASAN_OPTIONS: ADDRESS, UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:abort_on_error=1' },
  },
  thread: {
    flags: 'thread',
    libraries: ['libtsan.so'],
    // Node is not built with the sanitizer: V8 and libuv hand over by atomics that it cannot see, so calls out of node itself are left out. A file
    // of suppressions would not do: node is at the bottom of every stack of a main thread, and the addon's own races would go with it.
    env: { TSAN_OPTIONS: 'halt_on_error=1:abort_on_error=1:ignore_noninstrumented_modules=1:allocator_may_return_null=1' },
  },
};

/** Tests of the kernels, the transformer and the trainer, and what has been bent to break them. */
const ROOMS = ['test/kernels/', 'test/transformer/', 'test/training/', 'test/native/', 'test/robust/'];
const INPUTS = '1000';

/** Library of the compiler that node must load before everything else. */
function preload(name) {
  const path = ask(process.env.CXX ?? 'g++', [`-print-file-name=${name}`]);
  if (!path?.includes('/'))
    throw new ScriptError(`${name} is not on this machine; it comes with the compiler (g++: libasan, libubsan, libtsan)`);
  return path;
}

async function under(name, filters) {
  const { flags, libraries, env } = SANITIZERS[name];
  process.env.ATTUNE_BUILD_DIR = resolve(root, 'build', name);
  await buildNative({ defines: [`ATTUNE_SANITIZE=${flags}`] });
  const inputs = process.env.ATTUNE_FUZZ_INPUTS ?? INPUTS;
  const set = { ATTUNE_SANITIZED: name, ATTUNE_PRELOAD: libraries.map(preload).join(' '), ATTUNE_FUZZ_INPUTS: inputs, ...env };
  const counts = await vitest(filters.length > 0 ? filters : ROOMS, set);
  process.stderr.write(`attune: under ${flags}: ${closingLine(counts)}`);
  return counts;
}

const sum = (all) =>
  all.reduce((a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + (b.skipped ?? 0) }), {
    passed: 0,
    failed: 0,
    skipped: 0,
  });

await main(import.meta.url, async (args) => {
  const chosen = Object.keys(SANITIZERS).filter((name) => args.includes(name));
  const filters = args.filter((arg) => !(arg in SANITIZERS) && arg !== '--');
  const all = [];
  try {
    await build();
    for (const name of chosen.length > 0 ? chosen : Object.keys(SANITIZERS)) all.push(await under(name, filters));
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    process.stderr.write(`attune: ${error.message}\n`);
    all.push({ passed: 0, failed: 1 });
  }
  const counts = sum(all);
  process.stdout.write(closingLine(counts));
  return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
});
