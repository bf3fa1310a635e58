// Everything that a clone needs to run: set-up, the native addon, and lib compiled to dist.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { buildNative } from './build-native.mjs';
import { main, nodeModule, root, run } from './command.mjs';
import { setup } from './setup.mjs';

/** Returns the path of the addon. `project` is what tsc builds: lib alone, or bench, which stands on it. */
export async function build(project = 'tsconfig.json') {
  await setup();
  const addon = await buildNative();
  removeStale('dist', 'lib');
  run(process.execPath, [nodeModule('typescript/bin/tsc'), '--build', project], { what: 'tsc' });
  return addon;
}

// tsc never deletes: what a removed source once gave would still be loaded, and packed.
function removeStale(compiled, source) {
  if (!existsSync(resolve(root, compiled))) return;
  for (const name of readdirSync(resolve(root, compiled), { recursive: true })) {
    const stem = name.match(/^(.*?)(\.d\.ts|\.js|\.js\.map)$/)?.[1];
    if (stem && !existsSync(resolve(root, source, `${stem}.ts`))) rmSync(resolve(root, compiled, name));
  }
}

await main(import.meta.url, async () => {
  process.stderr.write(`attune: built ${await build()} and dist/\n`);
});
