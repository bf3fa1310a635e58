/** Programs in a process of their own: what may not end, or may end its process, does so there. */
import { type ChildProcess, spawn } from 'node:child_process';

/**
 * An idle program ends when the channel closes. A busy one does not hear of it: a thread of it looks whether the
 * process that asks is still its parent (elsewhere than on Linux and macOS the parent's id may stay as it was).
 */
const ENDS_WITH_PARENT = `
  {
    const { Worker } = await import('node:worker_threads');
    const parent = process.argv.splice(1, 1)[0];
    process.on('disconnect', () => process.exit());
    const watch = 'setInterval(() => process.ppid === ' + parent + ' || process.kill(process.pid, "SIGKILL"), 500)';
    new Worker(watch, { eval: true }).unref();
  }`;

/**
 * Starts a program that answers by messages (`process.on('message')`, `process.send`).
 * @param source of an ES module, as text: compiled or not, attune then starts it in the same way
 * @param args what it finds in `process.argv` from 1 on
 */
export function startProgram(source: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', ENDS_WITH_PARENT + source, `${process.pid}`, ...args], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    // Not this process's own options (an inspector's port, say), and not its group: Ctrl-C is for this process to answer.
    env: { ...process.env, NODE_OPTIONS: '' },
    detached: true,
    windowsHide: true,
  });
}
