// A team that the system does not give all its threads. In a process of its own, whose address space is limited once everything is loaded: the
// stacks of a few threads fit, not those of all. (A limit on processes would not do: it is not asked of root.)
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { addonCandidates } from '../../lib/native.js';

const limits = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

// argv: addon. 100 MiB more than it has hold about a dozen stacks of 8 MiB.
const SOURCE = `
  const { execFileSync } = require('node:child_process');
  const { readFileSync } = require('node:fs');
  const { kernels } = require(process.argv[1]);
  const args = { gradient: Float32Array.of(3, 4) };
  const limit = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + bytes + ':unlimited']);
  const run = (threads) => kernels.gradient_norm(args, { threads }).sumOfSquares;
  run(2);
  const held = Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  limit(held + 100 * 2 ** 20);
  const failures = [];
  for (let i = 0; i < 3; i++) try { run(1000); } catch ({ code, message }) { failures.push({ code, message }); }
  const few = run(2);
  limit('unlimited');
  console.log(JSON.stringify({ failures, few, many: run(100) }));
`;

it.skipIf(!limits || process.env.ATTUNE_SANITIZED !== undefined)('ends the threads that did start, and says how far it came', () => {
  const addon = addonCandidates().find((path) => existsSync(path))!;
  const env = { ...process.env, ATTUNE_KERNEL_GUARDS: '' };
  const command = ['-c', 'ulimit -S -s 8192; exec "$0" -e "$1" "$2"', process.execPath, SOURCE, addon];
  const { failures, few, many } = JSON.parse(execFileSync('/bin/sh', command, { env, encoding: 'utf8' }));
  expect(failures).toHaveLength(3);
  for (const { code, message } of failures) {
    expect(code).toBe('threads_refused');
    const [, thread] = /refused thread (\d+) of 1000/.exec(message)!;
    expect(Number(thread)).toBeGreaterThan(2); // some did start
  }
  expect([few, many]).toEqual([25, 25]);
});
