/** Whether an adapter is put on the base that it names. Shapes alone do not tell: a model and its instruct version have the same. */
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ifThere } from '../errors/system.js';
import { isHubId } from '../options/index.js';
import { ADAPTER_CONFIG } from './adapter_folder.js';
import { baseName } from './base_name.js';
import { exists } from './files.js';
import type { CheckpointWarning } from './warning.js';

/**
 * A warning where the name is certainly of another model: another id of the hub than that of `base`, or a folder that is there and has other weights.
 * A folder that is not there, or a hub id beside a folder of one's own, says nothing.
 * @param named `base_model_name_or_path`
 * @param base folder of the model that the adapter is put on
 */
export async function otherBase(named: unknown, adapter: string, base: string): Promise<CheckpointWarning[]> {
  if (typeof named !== 'string' || named === '') return [];
  const folder = await namedFolder(named, adapter);
  const differs = folder === undefined ? isOtherId(named, base) : await hasOtherWeights(folder, await realpath(base));
  if (!differs) return [];
  const file = join(adapter, ADAPTER_CONFIG);
  const why = `was made on ${named} (base_model_name_or_path), whose weights are not those of ${base}`;
  const message = `${file}: ${why}: it may mean nothing there; take its own base, or correct the name`;
  return [{ code: 'adapter_base', message }];
}

function isOtherId(named: string, base: string): boolean {
  const own = baseName(resolve(base)).name;
  return isHubId(named) && isHubId(own) && baseName(named).name.toLowerCase() !== own.toLowerCase();
}

/** The folder of that name: from here, or, where the project was called from another place, from one above the adapter. */
export async function namedFolder(named: string, adapter: string): Promise<string | undefined> {
  const here = await ifThere(realpath(named), named);
  if (here !== undefined || !/^\.\.?\//.test(named)) return here;
  for (let above = dirname(resolve(adapter)); above !== dirname(above); above = dirname(above)) {
    const place = join(above, named);
    if (await exists(join(place, 'config.json'))) return realpath(place);
  }
  return undefined;
}

/** Windows of a file that are compared, and bytes of each: 256 KiB of any file; other training changes weights everywhere. */
const WINDOWS = 64;
const BYTES = 4096;

async function hasOtherWeights(one: string, other: string): Promise<boolean> {
  if (one === other) return false;
  const [names, others] = await Promise.all([one, other].map(weightFiles));
  if (names!.length === 0 || others!.length === 0) return false;
  if (names!.join('/') !== others!.join('/')) return true;
  for (const name of names!) {
    const [left, right] = await Promise.all([one, other].map((folder) => sample(join(folder, name))));
    if (!left!.equals(right!)) return true;
  }
  return false;
}

const weightFiles = async (folder: string) => {
  const isFolder = (await stat(folder)).isDirectory();
  return isFolder ? (await readdir(folder)).filter((name) => name.endsWith('.safetensors')).sort() : [];
};

/** Size and evenly spaced windows of a file, the first and the last among them. */
async function sample(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const parts = Buffer.alloc(8 + WINDOWS * BYTES);
    parts.writeDoubleLE(size);
    const last = Math.max(0, size - BYTES);
    for (let n = 0; n < WINDOWS; n++) await file.read(parts, 8 + n * BYTES, BYTES, Math.floor((last * n) / (WINDOWS - 1)));
    return parts;
  } finally {
    await file.close();
  }
}
