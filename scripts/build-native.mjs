// Builds the native addon: CMakeLists.txt through cmake-js, into build/cmake/Release/attune.node (or $ATTUNE_BUILD_DIR/Release/attune.node).
// Works in a clone and in node_modules/attune, where `attune build` calls it. Does nothing when nothing changed.
//
//   node scripts/build-native.mjs [--config Release|Debug] [-DNAME=value …]       e.g. -DATTUNE_SANITIZE=address
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { main, root, run, ScriptError } from './command.mjs';
import { withLock } from './lock.mjs';
import { checkCompiler, checkNode, missingBuildTools } from './toolchain.mjs';

const require = createRequire(import.meta.url);

const buildFolder = () => (process.env.ATTUNE_BUILD_DIR ? resolve(process.env.ATTUNE_BUILD_DIR) : resolve(root, 'build/cmake'));
const addonPath = (config = 'Release') => resolve(buildFolder(), config, 'attune.node');

/** Builds and returns the path of the addon. `defines` are CMake cache entries, `NAME=value`. */
export async function buildNative({ config = 'Release', defines = [] } = {}) {
  checkNode();
  const compiler = checkCompiler();
  const packages = missingBuildTools();
  const out = buildFolder();
  await withLock(resolve(out, '.build-native.lock'), () => {
    forgetWhenChanged(out, { root, config, defines, packages, compiler, headers: cmakeJs() });
    const args = [resolve(cmakeJs(), 'bin/cmake-js'), 'build', '--directory', root, '--out', out, '--config', config];
    args.push('--parallel', process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism()), '--log-level', 'warn');
    args.push(...defines.map((define) => `--CD${define}`));
    runWith(packages, args);
  });
  if (!existsSync(addonPath(config))) throw new ScriptError(`the build ended without ${addonPath(config)}`);
  return addonPath(config);
}

const cmakeJs = () => dirname(require.resolve('cmake-js/package.json'));

// MAKEFLAGS is cleared because under node-gyp an outer make hands down a job server that the inner one cannot use.
function runWith(packages, args) {
  const options = { env: { MAKEFLAGS: '' }, what: 'the native build' };
  if (packages.length === 0) return run(process.execPath, args, options);
  process.stderr.write(`attune: not on this machine, taken through npx: ${packages.join(', ')}\n`);
  const chosen = packages.flatMap((name) => ['--package', name]);
  return run('npx', ['--yes', ...chosen, '--', process.execPath, ...args], { ...options, what: 'the native build through npx' });
}

/**
 * cmake-js configures only when there is no CMakeCache.txt, and would silently build with yesterday's options, compiler or (after the folder
 * was moved) sources. So the facts of a configuration are kept beside it, and the cache is dropped when they differ.
 */
function forgetWhenChanged(out, facts) {
  const record = resolve(out, 'attune-configuration.json');
  const now = JSON.stringify(facts, undefined, 2);
  const before = existsSync(record) ? readFileSync(record, 'utf8') : undefined;
  if (before === now) return;
  rmSync(resolve(out, 'CMakeCache.txt'), { force: true });
  rmSync(resolve(out, 'CMakeFiles'), { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  writeFileSync(record, now);
}

function parse(args) {
  const options = { config: 'Release', defines: [] };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--config' && args[i + 1]) options.config = args[++i];
    else if (args[i].startsWith('-D') && args[i].includes('=')) options.defines.push(args[i].slice(2));
    else throw new ScriptError(`unknown argument ${args[i]}; expected --config Release|Debug or -DNAME=value`, 2);
  }
  return options;
}

await main(import.meta.url, async (args) => {
  process.stderr.write(`attune: built ${await buildNative(parse(args))}\n`);
});
