/** The hub's cache on this machine, laid out as huggingface_hub lays it out, so that both share what was fetched. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ifThere } from '../errors/system.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './adapter_folder.js';
import { COMPANIONS } from './companions.js';

/** Where the hub is and what is known of the user, from the environment. */
export interface HubSettings {
  endpoint: string;
  cache: string;
  token: string | undefined;
  /** Nothing is fetched; what the cache has is used. */
  offline: boolean;
}

/** HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN (or the file HF_HOME/token) and HF_HUB_OFFLINE, as huggingface_hub reads them. */
export async function hubSettings(env: NodeJS.ProcessEnv = process.env): Promise<HubSettings> {
  const home = env.HF_HOME
    ? resolve(env.HF_HOME)
    : join(env.XDG_CACHE_HOME ? resolve(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'huggingface');
  const file = env.HF_TOKEN_PATH ?? join(home, 'token');
  const token = (env.HF_TOKEN ?? (await ifThere(readFile(file, 'utf8'), file)) ?? '').trim();
  return {
    endpoint: (env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, ''),
    cache: env.HF_HUB_CACHE ? resolve(env.HF_HUB_CACHE) : join(home, 'hub'),
    token: token === '' ? undefined : token,
    offline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? ''),
  };
}

/** `owner/name` and what comes after an `@`. */
export interface HubId {
  name: string;
  revision: string;
}

/** Reads `owner/name[@revision]`; the revision is `main` unless given. */
export function parseHubId(id: string): HubId {
  const [name = '', revision = 'main'] = id.split('@');
  return { name, revision };
}

/** Folders of one model in the cache. */
export function cachePlaces(cache: string, { name, revision }: HubId) {
  const root = join(cache, `models--${name.replaceAll('/', '--')}`);
  return {
    root,
    blobs: join(root, 'blobs'),
    ref: join(root, 'refs', revision),
    snapshot: (commit: string) => join(root, 'snapshots', commit),
  };
}

/** Files that attune reads, beside the weights; only those at the top of the repository. */
const WANTED = new Set(['config.json', ...COMPANIONS, ADAPTER_CONFIG, ADAPTER_WEIGHTS]);

/** Of a repository's files those to fetch first; weights in shards are named by the index, which is among them. */
export function wantedFiles(names: readonly string[]): string[] {
  const weights = names.includes('model.safetensors') ? 'model.safetensors' : 'model.safetensors.index.json';
  return names.filter((name) => WANTED.has(name) || name === weights);
}
