/** One file from the hub: what the hub says of it, the bytes (resumed by Range), and the comparison with its checksum. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { DataError, WorkError } from '../errors/index.js';
import type { HubId, HubSettings } from './hub_files.js';

/** What the hub tells of a file before it is fetched. */
export interface FileFacts {
  url: string;
  /** Checksum and name in the cache: SHA-256 of the content (large files), or git's SHA-1 of it. */
  etag: string;
  size: number;
}

interface RequestOptions {
  method?: 'GET' | 'HEAD';
  headers?: Record<string, string>;
  redirect?: 'follow' | 'manual';
  signal?: AbortSignal | undefined;
}

/** Attempts at one request; waits between them double from `WAIT` on. */
const ATTEMPTS = 4;
const WAIT = 250;

/**
 * One request, tried again where the hub is busy or the line is bad.
 * @throws DataError `hub_missing`, `hub_refused`; WorkError `hub_unreachable`
 */
export async function request(url: string, settings: HubSettings, id: HubId, options: RequestOptions = {}): Promise<Response> {
  let trouble = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await setTimeout(WAIT * 2 ** (attempt - 1), undefined, { signal: options.signal });
    // fetch itself drops the token where a redirect leads to another host.
    const authorization: Record<string, string> = settings.token === undefined ? {} : { authorization: `Bearer ${settings.token}` };
    const headers = { 'user-agent': 'attune', 'accept-encoding': 'identity', ...authorization, ...options.headers };
    const response = await fetch(url, { ...options, headers, signal: options.signal ?? null }).catch((error: Error) => {
      options.signal?.throwIfAborted();
      trouble = String((error.cause as Error | undefined)?.message || error.message);
    });
    if (response === undefined) continue;
    if (response.ok || response.status === 416 || (options.redirect === 'manual' && response.status < 400)) return response;
    await response.body?.cancel();
    trouble = `status ${response.status}`;
    if (response.status < 500 && response.status !== 429) throw refusal(url, response.status, settings, id);
  }
  throw new WorkError(
    'hub_unreachable',
    `${new URL(url).origin} cannot be reached for ${id.name} (${trouble}), and there is no such folder here; try again, or give a folder`,
  );
}

function refusal(url: string, status: number, settings: HubSettings, { name, revision }: HubId): DataError {
  if (status === 404)
    return new DataError(
      'hub_missing',
      `no model ${name}@${revision} at ${settings.endpoint} (${url} is not there), and no folder of that name`,
    );
  const advice = settings.token === undefined ? 'set HF_TOKEN' : 'the token in HF_TOKEN may not read it; accept its terms on the hub';
  return new DataError('hub_refused', `${name}@${revision} was refused by ${settings.endpoint} (status ${status}): ${advice}`);
}

/** Asks for etag and size without the content. Redirects to another place are not followed: the facts are in the first answer. */
export async function fileFacts(id: HubId, commit: string, name: string, settings: HubSettings, signal?: AbortSignal): Promise<FileFacts> {
  const url = `${settings.endpoint}/${id.name}/resolve/${commit}/${name.split('/').map(encodeURIComponent).join('/')}`;
  const { headers } = await request(url, settings, id, { method: 'HEAD', redirect: 'manual', signal });
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  const size = Number(headers.get('x-linked-size') ?? headers.get('content-length') ?? Number.NaN);
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(etag) || !Number.isSafeInteger(size))
    throw new WorkError('hub_unreachable', `${url} names no checksum and size (etag ${JSON.stringify(etag)}, size ${size})`);
  return { url, etag, size };
}

/**
 * Fetches a file to `path` by way of `path.incomplete`, going on where an earlier attempt stopped.
 * @param onBytes is told how many bytes came; what an earlier attempt left counts too
 * @throws WorkError `hub_checksum`, `hub_unreachable`
 */
export async function download(
  facts: FileFacts,
  path: string,
  settings: HubSettings,
  id: HubId,
  onBytes: (more: number) => void,
  signal?: AbortSignal,
): Promise<void> {
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
    have = await receive(facts, partial, have, settings, id, onBytes, signal);
    if (have > before) attempt = 0;
    if (attempt >= ATTEMPTS) throw new WorkError('hub_unreachable', `${facts.url} ended after ${have} of ${facts.size} bytes; try again`);
  }
  if (facts.size === 0) await (await open(partial, 'w')).close();
  await compare(facts, partial);
  await rename(partial, path);
}

const sizeOrZero = (path: string) =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** One request for the rest of a file; returns how much of it there is now. A line that breaks is no error: the caller asks again. */
async function receive(
  { url, size }: FileFacts,
  partial: string,
  have: number,
  settings: HubSettings,
  id: HubId,
  onBytes: (more: number) => void,
  signal?: AbortSignal,
): Promise<number> {
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
