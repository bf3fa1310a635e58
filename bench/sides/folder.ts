// A folder with random weights and a file that tells every side what to do.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkConfig } from '../../lib/native.js';
import { writeWeights } from '../train/weights.js';

/** @param bench `import.meta.url` of the bench, whose worker.js lies beside it; `run` is given that and the JSON file of work and tensors */
export async function withWeights<W extends { network: NetworkConfig }>(
  work: W,
  bench: string,
  run: (worker: string, file: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'attune-bench-'));
  const leave = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', leave);
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => process.exit(status));
  const file = join(folder, 'work.json');
  writeFileSync(file, JSON.stringify({ work, tensors: writeWeights(join(folder, 'weights.bin'), work.network) }));
  try {
    await run(fileURLToPath(new URL('worker.js', bench)), file);
  } finally {
    leave();
  }
}
