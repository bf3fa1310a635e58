/** `attune build` */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { WorkError } from '../errors/index.js';
import { addonCandidates } from '../native.js';
import type { Command } from './command.js';

export const build: Command = {
  name: 'build',
  summary: 'Builds the native part for this machine; needs a C++ compiler.',
  options: {},
  examples: [['attune build', 'once after npm install attune']],
  async run(_values, context) {
    const script = fileURLToPath(new URL('../../scripts/build-native.mjs', import.meta.url));
    // The build's own words are progress: standard error, so that --json has one object.
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 2, 2], signal: context.signal });
    const [status] = (await once(child, 'exit')) as [number | null];
    if (status !== 0)
      throw new WorkError('build_failed', `the native part was not built (status ${status}); the compiler's words stand above`);
    const native = addonCandidates().find((path) => path.includes('Release')) ?? '';
    context.print(context.json ? JSON.stringify({ native }) : native);
  },
};
