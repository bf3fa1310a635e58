// A folder with random weights and a file that tells every side what to do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkConfig, StoredTensor } from '../../lib/native.js';
import { writeWeights } from '../weights.js';

/** Gives `run` a folder that is gone afterwards, also where the process is told to end. */
export async function withFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'attune-bench-'));
  const leave = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', leave);
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => process.exit(status));
  try {
    return await run(folder);
  } finally {
    leave();
  }
}

/** Random weights of a network in `folder`. */
export const weightsIn = (folder: string, network: NetworkConfig) => writeWeights(join(folder, 'weights.bin'), network);

/** Writes what sides are told -> the JSON file. */
export function writeWork(folder: string, work: object, tensors: readonly StoredTensor[]): string {
  const file = join(folder, 'work.json');
  writeFileSync(file, JSON.stringify({ work, tensors }));
  return file;
}

/** @param bench `import.meta.url` of the bench, whose worker.js lies beside it; `run` is given that and the JSON file of work and tensors */
export const withWeights = <W extends { network: NetworkConfig }>(
  work: W,
  bench: string,
  run: (worker: string, file: string) => Promise<void>,
): Promise<void> =>
  withFolder((folder) => run(fileURLToPath(new URL('worker.js', bench)), writeWork(folder, work, weightsIn(folder, work.network))));
