// A folder with random weights and a file that tells every side what to do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkConfig, StoredTensor } from '../../lib/native.js';
import { writeWeights } from '../weights.js';
import { Side } from './side.js';

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

/** Starts attune in a process of its own: a side that does the work as `how` says. */
export type OwnSide = (name: string, how?: unknown) => () => Side;

/** @param bench `import.meta.url` of the bench, whose worker.js lies beside it; `run` is given its sides, and the JSON file of work and tensors */
export async function withWeights<W extends { network: NetworkConfig }>(
  work: W,
  bench: string,
  run: (own: OwnSide, file: string) => Promise<void>,
): Promise<void> {
  const worker = fileURLToPath(new URL('worker.js', bench));
  await withFolder((folder) => {
    const file = writeWork(folder, work, weightsIn(folder, work.network));
    return run(
      (name, how = null) =>
        () =>
          new Side(name, process.execPath, [worker, file, JSON.stringify(how)]),
      file,
    );
  });
}
