// Everything that can be said of the source without running it: types of lib, test and bench; lint and format of TypeScript and C++; the
// architecture. Goes through all of them and fails at the end, so that one run shows every complaint.
import { main, nodeModule, run } from './command.mjs';
import { biome, unformatted } from './format.mjs';
import { setup } from './setup.mjs';

async function cppFormat() {
  const wrong = await unformatted();
  for (const { file } of wrong) process.stderr.write(`attune: ${file} is not formatted; run: npm run format\n`);
  return wrong.length > 0 ? 1 : 0;
}

const tool = (path, args, what) => run(process.execPath, [nodeModule(path), ...args], { what, allowFailure: true });

const CHECKS = {
  types: () => tool('typescript/bin/tsc', ['--noEmit', '--project', 'tsconfig.check.json'], 'tsc'),
  'lint and format': () => biome(['check'], { allowFailure: true }),
  'format of C++': cppFormat,
  'pictures of the rooms': () => run(process.execPath, ['scripts/draw-rooms.mjs', '--check'], { what: 'draw-rooms', allowFailure: true }),
  architecture: () => tool('vitest/vitest.mjs', ['run', 'test/architecture'], 'vitest'),
};

await main(import.meta.url, async () => {
  await setup();
  const failed = [];
  for (const [name, check] of Object.entries(CHECKS)) if ((await check()) !== 0) failed.push(name);
  process.stdout.write(failed.length === 0 ? 'check: all good\n' : `check: failed: ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
});
