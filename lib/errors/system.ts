/**
 * Failures of the file system. Only a name that is not there means absence: a folder that may not be read, a disk that answers with an error or
 * too many open files say nothing about what is there, and nothing may be begun anew, deleted or overwritten after one.
 */
import { AttuneError, DataError, RequestError, WorkError } from './index.js';

/** Nothing has this name, or a part of the path above it is a file. */
export function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** A failure to read `path` as one of attune's errors; what no system call said passes through. */
export function readFault(error: unknown, path: string): unknown {
  if (error instanceof AttuneError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return error;
  if (isAbsent(error)) return new DataError('missing_file', 'no such file or folder', { file: path, cause: error });
  if (code === 'EACCES' || code === 'EPERM')
    return new RequestError('not_readable', `may not be read by this user (${code})`, { file: path, cause: error });
  return new WorkError('read_failed', `cannot be read: ${message}`, { file: path, cause: error });
}

/**
 * What a read of `path` gives, or undefined where nothing has that name.
 * @throws RequestError `not_readable`, WorkError `read_failed`
 */
export async function ifThere<T>(reading: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw readFault(error, path);
  }
}
