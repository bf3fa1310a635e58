// Set-up, build, then one bench: bench/<name>/index.ts. Its stdout is the bench's alone, so that --json can be piped.
//
//   npm run bench -- NAME [options of the bench]        npm run bench -- kernels --only matmul
//   npm run bench -- NAME --help                        npm run bench -- --help
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from './build.mjs';
import { main, root, run, ScriptError } from './command.mjs';

const benches = () =>
  readdirSync(resolve(root, 'bench'))
    .filter((name) => existsSync(resolve(root, 'bench', name, 'index.ts')))
    .sort();

const isHelp = (arg) => arg === '--help' || arg === '-h';

/** The comment at the top of a bench: how it is called, and what it measures. */
function helpOf(name) {
  const lines = readFileSync(resolve(root, 'bench', name, 'index.ts'), 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return `${lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n')}\n`;
}

/**
 * Bench is compiled to build/bench/bench and imports `../lib/…`. This link sends those imports to dist: the code that is measured is the code
 * that users run, loaded once.
 */
function linkLib() {
  const link = resolve(root, 'build/bench/lib');
  const target = '../../dist';
  mkdirSync(resolve(root, 'build/bench'), { recursive: true });
  try {
    if (readlinkSync(link) === target) return;
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EINVAL') throw error;
  }
  rmSync(link, { recursive: true, force: true });
  symlinkSync(target, link, 'dir');
}

await main(import.meta.url, async ([name, ...args]) => {
  const asked = isHelp(name) ? benches() : args.some(isHelp) && benches().includes(name) ? [name] : [];
  if (asked.length > 0) return void process.stdout.write(asked.map(helpOf).join('\n'));
  if (!benches().includes(name))
    throw new ScriptError(`which bench? npm run bench -- NAME, with NAME one of: ${benches().join(', ') || '(none yet)'}`, 2);
  linkLib();
  await build('tsconfig.bench.json');
  return run(process.execPath, [resolve(root, 'build/bench/bench', name, 'index.js'), ...args], { stdout: 'inherit', allowFailure: true });
});
