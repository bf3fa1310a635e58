/**
 * Ends the process when one input takes too long: a loop that never ends cannot be stopped from its own thread. What was at work is in
 * `build/fuzz/NAME.last` too, for the case that the process dies by itself.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';

const FOLDER = resolve(import.meta.dirname, '../../build/fuzz');
/** Seconds for one input. Most take a millisecond; a busy machine with a sanitizer is a hundred times slower. */
const LIMIT = process.env.ATTUNE_SANITIZED ? 300 : 60;

// [0] the input at work, [1] since when, in milliseconds; -1: none.
const CODE = `
  const { workerData } = require('node:worker_threads');
  const { writeSync } = require('node:fs');
  const at = new Float64Array(workerData.shared);
  setInterval(() => {
    if (at[0] < 0 || Date.now() - at[1] < workerData.limit * 1000) return;
    writeSync(2, '\\nattune: input ' + at[0] + ' of ' + workerData.name + ' takes more than ' + workerData.limit + ' s\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 500).unref();
  setInterval(() => {}, 1 << 30);`;

export class Watch {
  readonly #at: Float64Array;
  readonly #worker: Worker;
  readonly #path: string;
  readonly #file: number;

  constructor(name: string) {
    const shared = new SharedArrayBuffer(16);
    this.#at = new Float64Array(shared).fill(-1);
    this.#worker = new Worker(CODE, { eval: true, workerData: { shared, name, limit: LIMIT } });
    mkdirSync(FOLDER, { recursive: true });
    this.#path = join(FOLDER, `${name}-${process.pid}.last`);
    this.#file = openSync(this.#path, 'w');
  }

  start(index: number): void {
    writeSync(this.#file, `${index}          `, 0);
    this.#at[1] = Date.now();
    this.#at[0] = index;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
    closeSync(this.#file);
    rmSync(this.#path);
  }
}
