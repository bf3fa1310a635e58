// Material beside the repository (../shared), which a clone need not have: tests with it skip and say so.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

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
