/** One file from the hub: the bytes (resumed by Range), and the comparison with its checksum. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WorkError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';
import type { HubId, HubSettings } from './hub_files.js';
import { ATTEMPTS, type FileFacts, request } from './hub_request.js';

export interface Transfer {
  facts: FileFacts;
  settings: HubSettings;
  /** The model, for messages. */
  id: HubId;
  /** Is told how many bytes came; what an earlier attempt left counts too. */
  onBytes(more: number): void;
  signal?: AbortSignal | undefined;
}

/**
 * Fetches a file to `path` by way of `path.incomplete`, going on where an earlier attempt stopped.
 * @throws WorkError `hub_checksum`, `hub_unreachable`
 */
export async function download(transfer: Transfer, path: string): Promise<void> {
  const { facts, onBytes } = transfer;
  const partial = `${path}.incomplete`;
  await mkdir(dirname(path), { recursive: true });
  let have = await sizeOrZero(partial);
  if (have > facts.size) {
    await rm(partial, { force: true });
    have = 0;
  }
  onBytes(have);
  for (let attempt = 0; have < facts.size; attempt++) {
    const before = have;
    have = await receive(transfer, partial, have);
    if (have > before) attempt = 0;
    if (attempt >= ATTEMPTS) throw new WorkError('hub_unreachable', `${facts.url} ended after ${have} of ${facts.size} bytes; try again`);
  }
  if (facts.size === 0) await (await open(partial, 'w')).close();
  await compare(facts, partial);
  await rename(partial, path);
}

const sizeOrZero = async (path: string) => (await ifThere(stat(path), path))?.size ?? 0;

/** One request for the rest of a file; returns how much of it there is now. A line that breaks is no error: the caller asks again. */
async function receive({ facts: { url, size }, settings, id, onBytes, signal }: Transfer, partial: string, have: number): Promise<number> {
  const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
  const response = await request(url, settings, id, { headers, signal });
  // A server that knows no ranges sends all of it again.
  const at = response.status === 206 ? have : 0;
  onBytes(at - have);
  const file = await open(partial, at === 0 ? 'w' : 'a');
  let now = at;
  try {
    for await (const piece of response.body ?? []) {
      if (now + piece.length > size) throw new WorkError('hub_checksum', `${url} sent more than the ${size} bytes that the hub names`);
      await file.write(piece);
      now += piece.length;
      onBytes(piece.length);
    }
    await file.sync();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof WorkError || typeof (error as NodeJS.ErrnoException).syscall === 'string') throw error;
  } finally {
    await file.close();
  }
  return now;
}

async function compare({ url, etag, size }: FileFacts, path: string): Promise<void> {
  // 64 digits: SHA-256 of the content; 40: git's SHA-1, which covers a header with the size.
  const hash: Hash = etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const piece of createReadStream(path)) hash.update(piece);
  const found = hash.digest('hex');
  if (found === etag) return;
  await rm(path, { force: true });
  throw new WorkError('hub_checksum', `${url} came with the checksum ${found}, but the hub names ${etag}; it was thrown away: try again`);
}
