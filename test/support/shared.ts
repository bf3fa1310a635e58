// Material beside the repository (../shared), which a clone need not have: tests with it skip and say so.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const shared = process.env.ATTUNE_SHARED ?? resolve(here, '../../../shared');

/** A path in ../shared, or undefined where it is not there. */
export function sharedPath(...parts: string[]): string | undefined {
  const path = join(shared, ...parts);
  return existsSync(path) ? path : undefined;
}

/** The real 260K-parameter model, or undefined. */
export const stories260k = sharedPath('data/models/stories260k');

/** What `describe.skipIf` and names of tests say where it is missing. */
export const WITHOUT = '(needs ../shared)';

/** The rows of a file of JSON Lines, packed or not. */
export function rowsIn(path: string): Record<string, unknown>[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}
