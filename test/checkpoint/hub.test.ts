import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchModel, type HubProgress } from '../../lib/checkpoint/hub.js';
import { hubSettings, parseHubId } from '../../lib/checkpoint/hub_files.js';
import { modelPlace } from '../../lib/checkpoint/model_place.js';
import { HubStub } from '../support/hub_stub.js';
import { scratchFolder } from '../support/tiny_model.js';

const scratch = scratchFolder();
let folders = 0;
let stub: HubStub | undefined;
afterEach(() => stub?.close());

const FILES = {
  'config.json': '{"small": true}',
  'tokenizer.json': '{}',
  'README.md': 'not wanted',
  'model.safetensors': Buffer.alloc(300_000, 'weights'),
  'consolidated.safetensors': 'not wanted',
  'onnx/config.json': 'not wanted',
};

async function start(files: Record<string, string | Buffer> = FILES) {
  stub = await HubStub.start(files);
  const home = join(scratch, `home${++folders}`);
  const env = { HF_ENDPOINT: stub.url, HF_HOME: home };
  const cache = join(home, 'hub', 'models--owner--name');
  return { stub, env, cache };
}

describe('a model named by hub id', () => {
  it('is fetched into the cache of huggingface_hub, and from there the next time', async () => {
    const { stub, env, cache } = await start();
    const seen: HubProgress[] = [];
    const folder = await fetchModel('owner/name', { env, onDownload: (progress) => seen.push(progress) });
    expect(folder).toBe(join(cache, 'snapshots', stub.commit));
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(FILES['model.safetensors']);
    expect(lstatSync(join(folder, 'config.json')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(cache, 'refs', 'main'), 'utf8')).toBe(stub.commit);
    expect(seen.at(-1)).toMatchObject({ event: 'download', bytes: 300_017, totalBytes: 300_017 });
    const before = stub.requests.length;
    expect(await fetchModel('owner/name', { env })).toBe(folder);
    expect(stub.requests.slice(before).map(({ url }) => url)).toEqual(['/api/models/owner/name/revision/main']);
  });

  it('may name a revision', async () => {
    const { stub, env } = await start();
    await fetchModel('owner/name@v1.0', { env });
    expect(stub.requests[0]?.url).toBe('/api/models/owner/name/revision/v1.0');
    expect(parseHubId('owner/name@a/b')).toEqual({ name: 'owner/name', revision: 'a/b' });
  });

  it('comes with the shards that its index names', async () => {
    const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors', c: 'model-00001-of-00002.safetensors' };
    const files = { 'config.json': '{}', 'model.safetensors.index.json': JSON.stringify({ weight_map: map }) };
    const { env } = await start({ ...files, [map.a]: 'one', [map.b]: 'two', 'model-00003-of-00003.safetensors': 'not wanted' });
    const folder = await fetchModel('owner/name', { env });
    expect(readdirSync(folder).sort()).toEqual(['config.json', map.a, map.b, 'model.safetensors.index.json']);
  });

  it('comes with every file that a tokenizer may be of', async () => {
    const words = ['tokenizer.model', 'vocab.txt', 'vocab.json', 'merges.txt', 'special_tokens_map.json', 'chat_template.jinja'];
    const { env } = await start({ ...FILES, ...Object.fromEntries(words.map((name) => [name, name])) });
    const found = readdirSync(await fetchModel('owner/name', { env }));
    expect(found.sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json', ...words].sort());
  });

  it('goes on where a line broke', async () => {
    const { stub, env } = await start();
    stub.cutAfter = 100_000;
    const folder = await fetchModel('owner/name', { env });
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(FILES['model.safetensors']);
    const ranges = stub.requests.map(({ headers }) => headers.range).filter((range) => range !== undefined);
    expect(ranges.length).toBeGreaterThanOrEqual(2);
    expect(ranges[0]).toMatch(/^bytes=\d+-$/);
  });

  it('goes on from what an earlier process left', async () => {
    const { stub, env, cache } = await start();
    mkdirSync(join(cache, 'blobs'), { recursive: true });
    const etag = stub.etag('model.safetensors');
    writeFileSync(join(cache, 'blobs', `${etag}.incomplete`), FILES['model.safetensors'].subarray(0, 123_456));
    const folder = await fetchModel('owner/name', { env });
    expect(stub.requests.map(({ headers }) => headers.range)).toContain('bytes=123456-');
    expect(readFileSync(join(folder, 'model.safetensors'))).toEqual(FILES['model.safetensors']);
  });

  it('is thrown away where its checksum is another', async () => {
    const { stub, env, cache } = await start();
    stub.corrupt = 'model.safetensors';
    await expect(fetchModel('owner/name', { env })).rejects.toMatchObject({ code: 'hub_checksum', kind: 'work' });
    expect(readdirSync(join(cache, 'blobs')).filter((name) => name.startsWith(stub.etag('model.safetensors')))).toEqual([]);
    expect(existsSync(join(cache, 'refs', 'main'))).toBe(false);
    stub.corrupt = undefined;
    expect(statSync(join(await fetchModel('owner/name', { env }), 'model.safetensors')).size).toBe(300_000);
  });

  it('checks git’s checksum of small files too', async () => {
    const { stub, env } = await start();
    stub.corrupt = 'config.json';
    await expect(fetchModel('owner/name', { env })).rejects.toMatchObject({ code: 'hub_checksum' });
  });

  it('sends the token to the hub, and to no other host that it points to', async () => {
    const { stub, env } = await start();
    const other = await HubStub.start(FILES);
    stub.redirectTo = other.url.replace('127.0.0.1', 'localhost');
    await fetchModel('owner/name', { env: { ...env, HF_TOKEN: 'hf_secret' } });
    other.close();
    expect(stub.requests.every(({ headers }) => headers.authorization === 'Bearer hf_secret')).toBe(true);
    expect(other.requests.length).toBeGreaterThan(0);
    expect(other.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
  });

  it('is tried again while the hub is busy', async () => {
    const { stub, env } = await start();
    stub.busy = 2;
    await fetchModel('owner/name', { env });
    expect(stub.requests.filter(({ url }) => url.startsWith('/api/')).length).toBe(3);
  });

  it('is refused clearly', async () => {
    const { stub, env } = await start();
    await expect(fetchModel('owner/other', { env })).rejects.toMatchObject({ code: 'hub_missing', kind: 'data' });
    stub.status = 401;
    await expect(fetchModel('owner/name', { env })).rejects.toMatchObject({
      code: 'hub_refused',
      message: expect.stringContaining('HF_TOKEN'),
    });
    const listener = await HubStub.start({ 'README.md': '' });
    await expect(fetchModel('owner/name', { env: { ...env, HF_ENDPOINT: listener.url } })).rejects.toMatchObject({ code: 'hub_missing' });
    listener.close();
  });

  it('comes from the cache where the hub cannot be reached or must not be', async () => {
    const { stub, env } = await start();
    const folder = await fetchModel('owner/name', { env });
    stub.close();
    expect(await fetchModel('owner/name', { env })).toBe(folder);
    expect(await fetchModel('owner/name', { env: { ...env, HF_HUB_OFFLINE: '1' } })).toBe(folder);
    await expect(fetchModel('owner/new', { env })).rejects.toMatchObject({ code: 'hub_unreachable', kind: 'work' });
    await expect(fetchModel('owner/new', { env: { ...env, HF_HUB_OFFLINE: '1' } })).rejects.toMatchObject({ code: 'hub_missing' });
  });

  it('stops when asked', async () => {
    const { env } = await start();
    await expect(fetchModel('owner/name', { env, signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('the place of a model', () => {
  it('is a folder where there is one', async () => {
    mkdirSync(join(scratch, 'owner', 'name'), { recursive: true });
    expect(await modelPlace('owner/name', { folder: scratch })).toBe(join(scratch, 'owner', 'name'));
    expect(await modelPlace('./none', { folder: scratch })).toBe(join(scratch, 'none'));
  });
});

describe('the settings of the hub', () => {
  it('come from the environment as huggingface_hub reads them', async () => {
    const home = join(scratch, 'settings');
    mkdirSync(home);
    writeFileSync(join(home, 'token'), 'hf_saved\n');
    expect(await hubSettings({ HF_HOME: home, HF_ENDPOINT: 'http://x/' })).toEqual({
      endpoint: 'http://x',
      cache: join(home, 'hub'),
      token: 'hf_saved',
      offline: false,
    });
    expect(await hubSettings({ XDG_CACHE_HOME: scratch })).toMatchObject({
      endpoint: 'https://huggingface.co',
      cache: join(scratch, 'huggingface', 'hub'),
      token: undefined,
    });
    expect(await hubSettings({ HF_HOME: home, HF_TOKEN: 'hf_env', HF_HUB_CACHE: '/c', HF_HUB_OFFLINE: '1' })).toMatchObject({
      cache: '/c',
      token: 'hf_env',
      offline: true,
    });
  });
});
