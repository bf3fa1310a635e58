// Builds the addon with sanitizers and runs under each of them what works on memory and threads. Ends with one line: `N passed, N failed`.
//
//   npm run test:sanitize [-- address|thread …] [PART …]            e.g. npm run test:sanitize -- thread binding cpu
//   npm run test:sanitize [-- address|thread …] [FILTER … vitest options]     e.g. npm run test:sanitize -- thread kernels/matmul
//
// `address` (with the checks for undefined behaviour) and `thread` are builds of their own, in build/address and build/thread. A part is a folder
// of test/, see PARTS; each is run by itself, and says what it counted and how long it took.
import { existsSync } from 'node:fs';
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
    inputs: '1000',
    env: { ASAN_OPTIONS: ADDRESS, UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:abort_on_error=1' },
  },
  thread: {
    flags: 'thread',
    libraries: ['libtsan.so'],
    inputs: '100', // it is ten times slower, and one input hardly uses its threads otherwise than the next
    // Node is not built with the sanitizer: V8 and libuv hand over by atomics that it cannot see, so calls out of node itself are left out. A file
    // of suppressions would not do: node is at the bottom of every stack of a main thread, and the addon's own races would go with it.
    env: { TSAN_OPTIONS: 'halt_on_error=1:abort_on_error=1:ignore_noninstrumented_modules=1:allocator_may_return_null=1' },
  },
};

/** Folders of test/ that work on memory and threads: quickest first, and last what has been bent to break them. */
const PARTS = ['cpu', 'binding', 'transformer', 'kernels', 'training', 'robust'];

/** Library of the compiler that node must load before everything else. */
function preload(name) {
  const path = ask(process.env.CXX ?? 'g++', [`-print-file-name=${name}`]);
  if (!path?.includes('/'))
    throw new ScriptError(`${name} is not on this machine; it comes with the compiler (g++: libasan, libubsan, libtsan)`);
  return path;
}

/** One run of vitest under a sanitizer whose addon was built. `filters` are paths and options of vitest. */
async function part(name, title, filters) {
  const { libraries, inputs, env } = SANITIZERS[name];
  const begun = performance.now();
  const preloaded = libraries.map(preload).join(' ');
  const set = { ATTUNE_SANITIZED: name, ATTUNE_PRELOAD: preloaded, ATTUNE_FUZZ_INPUTS: process.env.ATTUNE_FUZZ_INPUTS ?? inputs, ...env };
  const counts = await vitest(filters, set);
  const seconds = Math.round((performance.now() - begun) / 1000);
  process.stderr.write(`attune: ${name}, ${title} (${seconds} s): ${closingLine(counts)}`);
  return counts;
}

/** Runs the chosen parts; or with `filters`, what these name. -> counts of each run */
async function under(name, parts, filters) {
  process.env.ATTUNE_BUILD_DIR = resolve(root, 'build', name);
  await buildNative({ defines: [`ATTUNE_SANITIZE=${SANITIZERS[name].flags}`] });
  if (filters.length > 0) return [await part(name, filters.join(' '), [...parts.map(folder), ...filters])];
  const all = [];
  for (const chosen of parts.length > 0 ? parts : PARTS) all.push(await part(name, chosen, [folder(chosen)]));
  return all;
}

/** A part's folder as a filter. One that was moved would be no test in silence. */
function folder(name) {
  if (!existsSync(resolve(root, 'test', name))) throw new ScriptError(`test/${name} is not there: mend PARTS of scripts/sanitize.mjs`);
  return `test/${name}/`;
}

const total = (all, what) => all.reduce((sum, counts) => sum + (counts[what] ?? 0), 0);

await main(import.meta.url, async (args) => {
  const chosen = Object.keys(SANITIZERS).filter((name) => args.includes(name));
  const parts = PARTS.filter((name) => args.includes(name));
  const filters = args.filter((arg) => !(arg in SANITIZERS) && !PARTS.includes(arg) && arg !== '--');
  const all = [];
  try {
    await build();
    for (const name of chosen.length > 0 ? chosen : Object.keys(SANITIZERS)) all.push(...(await under(name, parts, filters)));
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    process.stderr.write(`attune: ${error.message}\n`);
    all.push({ passed: 0, failed: 1 });
  }
  const counts = { passed: total(all, 'passed'), failed: total(all, 'failed'), skipped: total(all, 'skipped') };
  process.stdout.write(closingLine(counts));
  return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
});
