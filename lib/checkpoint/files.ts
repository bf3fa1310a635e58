/** Files and folders that appear whole or not at all: written under a temporary name, forced to the disk, renamed. */
import { randomBytes } from 'node:crypto';
import { access, constants, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AttuneError, RequestError, WorkError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';

/** Part of every temporary name; such names are never read and may be deleted. */
const PARTIAL = '.partial-';

const temporaryName = (path: string) => join(dirname(path), `.${basename(path)}${PARTIAL}${process.pid}-${randomBytes(4).toString('hex')}`);

/**
 * Writes a file through a temporary name in the same folder; on any failure nothing is left behind and an older file stays.
 * @throws WorkError `disk_full`, RequestError `not_writable`
 */
export async function writeWhole(path: string, content: string | Uint8Array | ((file: FileHandle) => Promise<void>)): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      if (typeof content === 'function') await content(file);
      else await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeFault(error, path);
  }
}

/**
 * Makes a folder: `fill` writes into a temporary one beside it, which gets the final name when everything is on the disk. The folder itself
 * must not exist; folders above it are made.
 */
export async function folderWhole(path: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(resolve(path));
  if (await exists(path)) throw new RequestError('output_exists', `${path} exists already; choose another folder or delete it`);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await syncTree(temporary);
    await rename(temporary, path);
    await syncFolder(dirname(resolve(path)));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw writeFault(error, path);
  }
}

/** Removes what a killed process left in `folder`: files and folders with temporary names. */
export async function removePartial(folder: string): Promise<void> {
  for (const name of (await ifThere(readdir(folder), folder)) ?? [])
    if (name.startsWith('.') && name.includes(PARTIAL)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Removes what killed processes of this machine left beside `path` of a folder that was to have this name. */
export async function removePartialOf(path: string): Promise<void> {
  const above = dirname(resolve(path));
  const begin = `.${basename(resolve(path))}${PARTIAL}`;
  for (const name of (await ifThere(readdir(above), above)) ?? []) {
    const pid = name.startsWith(begin) ? Number.parseInt(name.slice(begin.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    const left = join(above, name);
    await rm(left, { recursive: true, force: true }).catch((error) => Promise.reject(writeFault(error, left)));
  }
}

/** Whether this machine has a process of this number. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * Checks, before long work, that a folder of this name can be made.
 * @throws RequestError `output_exists`, `not_writable`
 */
export async function checkNewFolder(path: string, existsHint: string): Promise<void> {
  if (await exists(path)) throw new RequestError('output_exists', `${path} exists already; ${existsHint}`);
  let above = dirname(resolve(path));
  while (!(await exists(above)) && dirname(above) !== above) above = dirname(above);
  const found = await stat(above).catch((error) => Promise.reject(writeFault(error, path)));
  if (!found.isDirectory()) throw new RequestError('not_writable', `${path} cannot be made: ${above} is a file, not a folder`);
  await access(above, constants.W_OK | constants.X_OK).catch((error) => Promise.reject(writeFault(error, path)));
}

/**
 * Whether something has this name; a place below a file has nothing.
 * @throws RequestError `not_readable`, WorkError `read_failed` where that cannot be told
 */
export async function exists(path: string): Promise<boolean> {
  return (await ifThere(stat(path), path)) !== undefined;
}

/** A failure to write as one of attune's errors; others pass through. */
export function writeFault(error: unknown, path: string): unknown {
  if (error instanceof AttuneError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new WorkError('disk_full', `no space left on the disk for ${path}; make room there or choose another folder`, {
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new RequestError('not_writable', `${path} may not be written (${code}); choose another folder`, { cause: error });
    case 'ENOTDIR':
      return new RequestError('not_writable', `${path} cannot be made: a part of this path is a file, not a folder`, { cause: error });
    case 'EEXIST':
    case 'ENOTEMPTY':
      return new RequestError('output_exists', `${path} exists already`, { cause: error });
    default:
      return typeof code !== 'string' ? error : new WorkError('write_failed', `${path} cannot be written: ${message}`, { cause: error });
  }
}

/** What systems answer that cannot open a folder or force its names to the disk. */
const NO_FOLDERS = ['EISDIR', 'EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'EBADF'];

/** Forces a folder's list of names to the disk; systems that cannot do so are left alone. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    if (!NO_FOLDERS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncFile(path);
  }
  await syncFolder(folder);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
