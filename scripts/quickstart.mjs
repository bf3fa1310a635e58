// Set-up, build, then the quickstart of lib/cli/quickstart.ts: fine-tunes the model that lies in models/ on the notes in examples/.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { main, root, ScriptError } from './command.mjs';

const NEEDED = {
  'lib/cli/quickstart.ts': 'the program of the quickstart',
  'examples/quickstart.yaml': 'its recipe',
  models: 'the model that it fine-tunes',
};

await main(import.meta.url, async () => {
  const missing = Object.entries(NEEDED).filter(([path]) => !existsSync(resolve(root, path)));
  if (missing.length > 0)
    throw new ScriptError(
      `the quickstart cannot run, these are missing:\n${missing.map(([path, what]) => `  ${path}: ${what}`).join('\n')}`,
    );
  await build();
  const { quickstart } = await import(pathToFileURL(resolve(root, 'dist/cli/quickstart.js')).href);
  return quickstart({ root });
});
