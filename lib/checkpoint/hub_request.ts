/** Requests to the hub, and what it says of a file before that is fetched. */
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
export const ATTEMPTS = 4;
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
