// `npm run bench -- --help` tells of every bench how it is called, without building anything.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const bench = (...args: string[]) => spawnSync(process.execPath, [resolve(root, 'scripts/bench.mjs'), ...args], { encoding: 'utf8' });
const names = readdirSync(resolve(root, 'bench'), { recursive: true, encoding: 'utf8' }).flatMap(
  (path) => path.match(/^([^/\\]+)[/\\]index\.ts$/)?.[1] ?? [],
);

it('says how each is called', () => {
  const { stdout, status } = bench('--help');
  expect(status).toBe(0);
  expect(names.length).toBeGreaterThan(5);
  for (const name of names) expect(stdout).toContain(`npm run bench -- ${name} `);
});

it('says of one how it is called, and of none which there are', () => {
  expect(bench('shared', '--help').stdout).toMatch(/^npm run bench -- shared .*\n\n\w/);
  expect(bench('nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining('shared') });
});
