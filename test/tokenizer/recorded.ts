/** The recorded cases of ../shared (or ATTUNE_SHARED): texts, and the ids that the original libraries gave for them. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';

const root = resolve(import.meta.dirname, '../..');
const shared = process.env.ATTUNE_SHARED ?? join(root, '../shared');
export const recordings = join(shared, 'data/tokenizers');

/** Why the recorded cases are skipped, or undefined where they are there. */
export const missing = existsSync(recordings) ? undefined : `skipped: no recorded cases in ${recordings}`;
if (missing) console.warn(missing);

export interface RecordedIds {
  id: string;
  ids: number[] | null;
  decoded_differs: string | null;
}

/** Rows of a JSON Lines file, gzipped or not. */
export function rows<T>(...path: string[]): T[] {
  const bytes = readFileSync(join(recordings, ...path));
  const text = (path.at(-1)!.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]));
}

const folders: string[] = [];

/** A folder with some of the files of another one, unpacked. */
export function unpacked(from: string, keep: (name: string) => boolean = () => true): string {
  const folder = mkdtempSync(join(tmpdir(), 'attune-tokenizer-'));
  folders.push(folder);
  for (const name of readdirSync(from)) {
    const plain = basename(name, '.gz');
    if (!keep(plain)) continue;
    if (plain === name) cpSync(join(from, name), join(folder, name));
    else writeFileSync(join(folder, plain), gunzipSync(readFileSync(join(from, name))));
  }
  return folder;
}

/** Removes what `unpacked` made. */
export function cleanUp(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
