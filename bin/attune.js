#!/usr/bin/env node
// Loads the command line from dist. All it knows by itself is what to do when that is not there.
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);

if (existsSync(main)) {
  await import(main.href);
} else {
  const isClone = existsSync(new URL('../lib', import.meta.url));
  const folder = new URL('..', import.meta.url).pathname;
  process.stderr.write(
    isClone
      ? `attune: this clone is not built (dist/cli/main.js is missing). Run in ${folder}: npm run build\n`
      : `attune: the installation in ${folder} is incomplete (dist/cli/main.js is missing). Run: npm install attune\n`,
  );
  process.exitCode = 1;
}
