// The other end of a side: attune's work in a process of its own, by the protocol of side.ts.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { addon, type StoredTensor } from '../../lib/native.js';
import type { Took } from './side.js';

export interface Worker {
  /** Does the work once -> figures beside the time. */
  step(): Promise<Record<string, number>>;
}

/**
 * Makes the worker that the command line tells of, `worker.js FILE [HOW]`: a JSON file of work and tensors, and how the work is done, as JSON.
 * Answers line by line until `end`.
 */
export async function serve<W, H>(make: (work: W, tensors: StoredTensor[], how: H) => Promise<Worker>): Promise<void> {
  const [file, how = 'null'] = process.argv.slice(2);
  const { work, tensors } = JSON.parse(readFileSync(file!, 'utf8'));
  const worker = await make(work, tensors, JSON.parse(how));
  const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  answer({ native: addon().version });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === 'end') break;
    const start = performance.now();
    const figures = await worker.step();
    answer({ ...figures, seconds: (performance.now() - start) / 1000 } satisfies Took);
  }
  answer({ peakMiB: addon().residentMemory().peak / 2 ** 20 });
}
