// Brings a clean clone to where it can be built: checks the tools, installs the pinned dependencies when they are missing or outdated.
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { main, nodeModule, root, run } from './command.mjs';
import { withLock } from './lock.mjs';
import { checkCompiler, checkNode } from './toolchain.mjs';

export async function setup() {
  checkNode();
  checkCompiler();
  if (installed()) return;
  await withLock(resolve(root, 'build/.setup.lock'), () => {
    if (!installed()) run('npm', ['ci', '--no-audit', '--no-fund'], { what: 'npm ci' });
  });
}

// npm writes this file last, so an interrupted install is seen as none.
function installed() {
  const record = nodeModule('.package-lock.json');
  return existsSync(record) && statSync(record).mtimeMs >= statSync(resolve(root, 'package-lock.json')).mtimeMs;
}

await main(import.meta.url, setup);
