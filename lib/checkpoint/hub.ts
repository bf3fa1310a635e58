/**
 * Models named by hub id: fetched over HTTPS into the cache that huggingface_hub uses, resumed where a download was cut, and compared with the
 * hub's checksums. Written on fetch: @huggingface/hub neither resumes a file nor compares its checksum.
 */
import { mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type AttuneError, DataError, WorkError } from '../errors/index.js';
import { ifThere } from '../errors/system.js';
import { ADAPTER_CONFIG } from './adapter_folder.js';
import { exists, writeFault, writeWhole } from './files.js';
import { download } from './hub_download.js';
import { cachePlaces, type HubId, type HubSettings, hubSettings, parseHubId, wantedFiles } from './hub_files.js';
import { type FileFacts, fileFacts, request } from './hub_request.js';
import { isShardName } from './model_tensors.js';

/** How far a download has come; bytes over all files of the model that are known so far. */
export interface HubProgress {
  event: 'download';
  file: string;
  bytes: number;
  totalBytes: number;
}

export interface HubOptions {
  onDownload?: (progress: HubProgress) => void;
  signal?: AbortSignal;
  env?: NodeJS.ProcessEnv;
}

/**
 * The folder of a model named `owner/name[@revision]`: from the cache, or fetched into it.
 * @throws DataError `hub_missing`, `hub_refused`; WorkError `hub_unreachable`, `hub_checksum`, `disk_full`
 */
export async function fetchModel(id: string, options: HubOptions = {}): Promise<string> {
  const settings = await hubSettings(options.env);
  const hubId = parseHubId(id);
  const places = cachePlaces(settings.cache, hubId);
  const listing = settings.offline ? undefined : await listFiles(hubId, settings, options.signal).catch(unreachable);
  if (listing === undefined || listing instanceof WorkError) return cachedSnapshot(hubId, places, listing);
  const snapshot = places.snapshot(listing.commit);
  const run = { id: hubId, commit: listing.commit, settings, options, blobs: places.blobs, snapshot };
  try {
    await fetchAll(run, listing.names);
    await mkdir(dirname(places.ref), { recursive: true });
    await writeWhole(places.ref, listing.commit);
  } catch (error) {
    throw writeFault(error, places.root);
  }
  return snapshot;
}

interface Run {
  id: HubId;
  commit: string;
  settings: HubSettings;
  options: HubOptions;
  blobs: string;
  snapshot: string;
}

/** Trouble on the way to the hub is no end of it where the cache has the model; a clear answer of the hub is. */
function unreachable(error: AttuneError): WorkError {
  if (error instanceof WorkError && error.code === 'hub_unreachable') return error;
  throw error;
}

async function cachedSnapshot({ name, revision }: HubId, places: ReturnType<typeof cachePlaces>, failure?: WorkError): Promise<string> {
  const commit = /^[0-9a-f]{40}$/.test(revision) ? revision : ((await ifThere(readFile(places.ref, 'utf8'), places.ref)) ?? '').trim();
  const snapshot = places.snapshot(commit);
  // The ref is written after the last file, so a snapshot that it names is whole.
  if (commit !== '' && (await exists(join(snapshot, 'config.json')))) return snapshot;
  if (failure !== undefined) throw failure;
  throw new DataError('hub_missing', `${name}@${revision} is not in the cache ${places.root}, and HF_HUB_OFFLINE forbids to fetch it`);
}

async function listFiles(id: HubId, settings: HubSettings, signal?: AbortSignal): Promise<{ commit: string; names: string[] }> {
  const url = `${settings.endpoint}/api/models/${id.name}/revision/${encodeURIComponent(id.revision)}`;
  const response = await request(url, settings, id, { signal });
  const { sha, siblings } = (await response.json()) as { sha?: unknown; siblings?: { rfilename?: unknown }[] };
  if (typeof sha !== 'string' || !/^[0-9a-f]{40,64}$/.test(sha) || !Array.isArray(siblings))
    throw new WorkError('hub_unreachable', `${url} answered something else than a model's list of files`);
  return { commit: sha, names: siblings.map(({ rfilename }) => String(rfilename)) };
}

async function fetchAll(run: Run, names: readonly string[]): Promise<void> {
  const first = wantedFiles(names);
  if (!first.includes('config.json') && !first.includes(ADAPTER_CONFIG))
    throw new DataError('hub_missing', `${run.id.name} has no config.json: it is no model that attune can read`);
  const meter = new Meter(run.options);
  const index = first.filter((name) => name.endsWith('.index.json'));
  await fetchFiles(run, [...index, ...first.filter((name) => !index.includes(name))], meter);
  if (index.length > 0) await fetchFiles(run, await shardNames(run, names), meter);
}

async function shardNames(run: Run, names: readonly string[]): Promise<string[]> {
  const path = join(run.snapshot, 'model.safetensors.index.json');
  const { weight_map: map } = JSON.parse(await readFile(path, 'utf8')) as { weight_map?: Record<string, string> };
  const shards = [...new Set(Object.values(map ?? {}))].sort();
  const lost = shards.find((name) => !names.includes(name) || !isShardName(name));
  if (lost !== undefined) throw new DataError('hub_missing', `${run.id.name} has no ${lost}, though its index names it`);
  return shards;
}

async function fetchFiles(run: Run, names: readonly string[], meter: Meter): Promise<void> {
  const missing: { name: string; facts: FileFacts }[] = [];
  for (const name of names) {
    if (await exists(join(run.snapshot, name))) continue;
    const facts = await fileFacts(run.id, run.commit, name, run.settings, run.options.signal);
    meter.add(facts.size);
    missing.push({ name, facts });
  }
  for (const { name, facts } of missing) {
    const blob = join(run.blobs, facts.etag);
    if (await exists(blob)) meter.count(name, facts.size);
    else await download({ ...run, facts, onBytes: (bytes) => meter.count(name, bytes), signal: run.options.signal }, blob);
    await link(blob, join(run.snapshot, name));
  }
}

async function link(blob: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await symlink(relative(dirname(path), blob), path);
}

/** Counts bytes of all files together. */
class Meter {
  private bytes = 0;
  private totalBytes = 0;

  constructor(private readonly options: HubOptions) {}

  add(bytes: number): void {
    this.totalBytes += bytes;
  }

  /** `more` bytes of `file` have come; negative where a file starts again. */
  count(file: string, more: number): void {
    this.bytes += more;
    this.options.onDownload?.({ event: 'download', file, bytes: this.bytes, totalBytes: this.totalBytes });
  }
}
