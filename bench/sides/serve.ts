// The other end of a side: attune's work in a process of its own, by the protocol of side.ts.
import { createInterface } from 'node:readline';
import { addon } from '../../lib/native.js';
import type { Took } from './side.js';

export interface Worker {
  /** Does the work once -> figures beside the time. */
  step(): Promise<Record<string, number>>;
}

/** Answers line by line until `end`. */
export async function serve(worker: Worker): Promise<void> {
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
