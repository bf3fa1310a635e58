// What every script here needs: where the package is, how to run a program, how to stop with a message.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of package.json: a clone, or node_modules/attune. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Path of a program inside node_modules, run as `node PATH`: needs neither a shell nor an executable bit. */
export const nodeModule = (path) => resolve(root, 'node_modules', path);

/** A failure whose message is all that the user needs to see. */
export class ScriptError extends Error {
  constructor(message, status = 1) {
    super(message);
    this.status = status;
  }
}

/**
 * Runs a program and waits. Its stdout goes to our stderr, unless `stdout` says 'inherit': preparation must not mix with the answer that a
 * script prints (`npm run bench -- train --json`). Throws ScriptError when it fails; `allowFailure` returns the status instead.
 */
export function run(command, args, { cwd = root, env = {}, stdout = 2, allowFailure = false, what = command } = {}) {
  const result = spawnSync(command, args, { cwd, stdio: ['inherit', stdout, 'inherit'], env: { ...process.env, ...env } });
  if (result.error) throw new ScriptError(`${what} could not be started: ${result.error.message}`);
  const status = result.status ?? 128;
  if (status !== 0 && !allowFailure) throw new ScriptError(`${what} failed (status ${status}); its messages are above`, status);
  return status;
}

/** Output of a program, or undefined when it is missing or fails. */
export function ask(command, args) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** Runs `body` when the script was started directly, not imported; a ScriptError becomes its message and exit status. */
export async function main(url, body) {
  if (!process.argv[1] || realpathSync(process.argv[1]) !== fileURLToPath(url)) return;
  try {
    process.exitCode = (await body(process.argv.slice(2))) ?? 0;
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    process.stderr.write(`attune: ${error.message}\n`);
    process.exitCode = error.status;
  }
}
