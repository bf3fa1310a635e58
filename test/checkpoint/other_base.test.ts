import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAdapter } from '../../lib/checkpoint/adapter_read.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { linearLayers } from '../../lib/network/linears.js';
import { writeTinyAdapter } from '../support/tiny_adapter.js';
import { scratchFolder, writeTinyModel } from '../support/tiny_model.js';

const scratch = scratchFolder();
const own = writeTinyModel(join(scratch, 'own'));
const other = writeTinyModel(join(scratch, 'other'), { seed: 2 });
const copy = join(scratch, 'copy');
cpSync(own, copy, { recursive: true });
const { config } = await openModelFolder(own);

let adapters = 0;
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** Codes and messages of the warnings of an adapter that names `named` and is put on `base`. */
async function warned(named: unknown, base: string, on = config) {
  const edit = (json: Record<string, unknown>, tensors: never[]) => {
    json.base_model_name_or_path = named;
    return tensors;
  };
  const folder = writeTinyAdapter(join(scratch, `a${++adapters}`), linearLayers(config), { edit: edit as never });
  return (await readAdapter(folder, on, base)).warnings;
}

function cached(id: string): string {
  const folder = join(scratch, 'hub', `models--${id.replace('/', '--')}`, 'snapshots', COMMIT);
  mkdirSync(folder, { recursive: true });
  cpSync(own, folder, { recursive: true });
  return folder;
}

describe('the base that an adapter names', () => {
  it.each([
    ['its own folder', () => own],
    ['a copy of it', () => copy],
    ['a folder that is not there', () => join(scratch, 'gone')],
    ['a folder that is not there, from here', () => './gone'],
    ['an id of the hub, which a folder of one’s own may be', () => 'owner/name'],
    ['nothing', () => undefined],
    ['an empty text', () => ''],
    ['null', () => null],
  ])('is taken where it is %s', async (_what, named) => expect(await warned(named(), own)).toBeUndefined());

  it('is another where its folder has other weights', async () => {
    const message = expect.stringMatching(/adapter_config\.json.*other.*own.*correct the name/);
    expect(await warned(other, own)).toEqual([{ code: 'adapter_base', message }]);
  });

  it('is another where a single number of its weights differs by training, or its files do', async () => {
    const trained = join(scratch, 'trained');
    cpSync(own, trained, { recursive: true });
    const file = join(trained, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await warned(trained, own)).toHaveLength(1);
    cpSync(join(own, 'model.safetensors'), file);
    expect(await warned(trained, own)).toBeUndefined();
    renameSync(file, join(trained, 'model-00001-of-00001.safetensors'));
    expect(await warned(trained, own)).toHaveLength(1);
  });

  it('is another where both are ids of the hub and differ', async () => {
    const base = cached('Owner/Name');
    expect(await warned('owner/name', base)).toBeUndefined();
    expect(await warned('owner/name-instruct', base)).toMatchObject([{ code: 'adapter_base' }]);
  });
});
