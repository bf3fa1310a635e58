/** What a run was made of: hashes of base and data, counts of rows, versions, machine. */
import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { COMPANIONS, TEMPLATES } from '../../checkpoint/companions.js';
import { exists } from '../../checkpoint/files.js';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { findFiles } from '../../data/index.js';
import { ifThere, readFault } from '../../errors/system.js';
import { addon } from '../../native.js';
import { broughtAdapter, type Recipe } from '../../recipe/index.js';

/** SHA-256 by file. */
export type Hashes = Record<string, string>;

/** Bytes between two turns of the event loop: some 3 ms of hashing. */
const PIECE = 1 << 22;

/** SHA-256 of a file, read in pieces. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r').catch((error) => Promise.reject(readFault(error, path)));
  try {
    const piece = Buffer.alloc(PIECE);
    for (;;) {
      const reading = file.read(piece, 0, PIECE, null);
      const { bytesRead } = await reading.catch((error) => Promise.reject(readFault(error, path)));
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, bytesRead));
      await setImmediate();
      signal?.throwIfAborted();
    }
  } finally {
    await file.close();
  }
}

/** Hashes of config.json and of the files of weights, by name in the folder. */
export async function baseHashes({ folder, tensors }: ModelFolder, signal?: AbortSignal): Promise<Hashes> {
  const paths = [join(folder, 'config.json'), ...new Set(tensors.map(({ path }) => path))];
  return hashesOf(paths, basename, signal);
}

/** Hashes of the files that say how texts become ids: those of the tokenizer and the chat templates, by name in the folder. */
export async function tokenizerHashes(folder: string, signal?: AbortSignal): Promise<Hashes> {
  const named: string[] = [];
  for (const name of COMPANIONS) if (await exists(join(folder, name))) named.push(name);
  const templates = join(folder, TEMPLATES);
  const more = ((await ifThere(readdir(templates), templates)) ?? []).filter((name) => name.endsWith('.jinja')).sort();
  const hashes = await hashesOf(
    named.map((name) => join(folder, name)),
    basename,
    signal,
  );
  return {
    ...hashes,
    ...(await hashesOf(
      more.map((name) => join(templates, name)),
      (path) => `${TEMPLATES}/${basename(path)}`,
      signal,
    )),
  };
}

/** Hashes of every file of rows, by path, in the order in which they are read. */
export async function dataHashes({ data, evaluate }: Pick<Recipe, 'data' | 'evaluate'>, signal?: AbortSignal): Promise<Hashes> {
  const files = new Set<string>();
  for (const { path } of [...data, ...(evaluate?.data ?? [])]) for (const file of await findFiles(path)) files.add(file);
  return hashesOf([...files], (path) => path, signal);
}

/** Folders of the teacher and the reward models that a method names, by the recipe's key. */
export function judgesAndTeacher(method: Recipe['method']): [key: string, folder: string][] {
  if ('teacher' in method) return [['method.teacher', method.teacher]];
  const rewards = 'rewards' in method ? (method.rewards ?? []) : [];
  return rewards.flatMap((one, n): [string, string][] => ('model' in one ? [[`method.rewards.${n}.model`, one.model]] : []));
}

/** Files of a folder of weights that a result depends on. */
const OF_WEIGHTS = /\.safetensors$|^(adapter_config|config|reward)\.json$/;

/**
 * Hashes of the models that a run goes on from or is measured by, beside its base: by the recipe's key and the name of the file. Reward functions are
 * not among them: one that failed is mended, and the run goes on.
 */
export async function besideHashes({ adapter, method }: Pick<Recipe, 'adapter' | 'method'>, signal?: AbortSignal): Promise<Hashes> {
  const named: [key: string, folder: string][] = [];
  const brought = broughtAdapter({ adapter });
  if (brought !== undefined) named.push(['adapter.from', brought]);
  if ('reference' in method && !['start', 'base'].includes(method.reference)) named.push(['method.reference', method.reference]);
  named.push(...judgesAndTeacher(method));
  const hashes: Hashes = {};
  for (const [key, folder] of named) {
    // A folder that is missing is told of by whoever opens it.
    const names = ((await ifThere(readdir(folder), folder)) ?? []).filter((name) => OF_WEIGHTS.test(name)).sort();
    const paths = names.map((name) => join(folder, name));
    Object.assign(hashes, await hashesOf(paths, (path) => `${key}/${basename(path)}`, signal));
  }
  return hashes;
}

async function hashesOf(paths: readonly string[], nameOf: (path: string) => string, signal?: AbortSignal): Promise<Hashes> {
  const hashes: Hashes = {};
  for (const path of paths) hashes[nameOf(path)] = await hashFile(path, signal);
  return hashes;
}

/** The machine and the versions that computed. */
export function machine(): object {
  const { version, cpu } = addon();
  return {
    attune: version,
    node: process.version,
    platform: `${platform()} ${arch()}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cpu,
    memoryBytes: totalmem(),
  };
}
