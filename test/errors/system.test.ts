// Only a name that is not there means absence; a link to itself (ELOOP) stands for every other failure, as root may read all files.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exists, removePartial } from '../../lib/checkpoint/files.js';
import { hubSettings } from '../../lib/checkpoint/hub_files.js';
import { openModelFolder } from '../../lib/checkpoint/model_folder.js';
import { latestCheckpoint } from '../../lib/checkpoint/resume.js';
import { findFiles } from '../../lib/data/read/glob.js';
import { ifThere, isAbsent, readFault } from '../../lib/errors/system.js';
import { resolveModel } from '../../lib/options/index.js';
import { readKnown } from '../../lib/training/reference/cache.js';
import { checkThere } from '../../lib/training/reference/reference.js';
import { besideHashes, hashFile } from '../../lib/training/run/manifest.js';
import { scratchFolder } from '../support/tiny_model.js';

const scratch = scratchFolder();
const loop = join(scratch, 'owner');
symlinkSync('owner', loop);
const file = join(scratch, 'file');
writeFileSync(file, 'x');

describe('what is not there', () => {
  it.each([join(scratch, 'nothing'), join(file, 'below')])('%s is undefined', async (path) => {
    expect(await ifThere(stat(path), path)).toBeUndefined();
    expect(await exists(path)).toBe(false);
    await expect(stat(path).catch((error) => Promise.reject(readFault(error, path)))).rejects.toMatchObject({ code: 'missing_file' });
  });
});

describe('what cannot be read', () => {
  const failing = (code: string) => Object.assign(new Error(`${code}: no`), { code });
  it.each([
    ['EIO', 'work', 'read_failed'],
    ['EMFILE', 'work', 'read_failed'],
    ['EISDIR', 'work', 'read_failed'],
    ['EACCES', 'request', 'not_readable'],
    ['EPERM', 'request', 'not_readable'],
  ])('%s is told as %s error %s, and is no absence', (code, kind, own) => {
    expect(isAbsent(failing(code))).toBe(false);
    expect(readFault(failing(code), 'runs/x')).toMatchObject({ kind, code: own, message: expect.stringContaining('runs/x') });
  });

  it.each<[string, () => unknown]>([
    ['exists', () => exists(loop)],
    ['removePartial', () => removePartial(loop)],
    ['a listing', () => ifThere(readdir(loop), loop)],
    ['the newest checkpoint', () => latestCheckpoint(loop)],
    ['the files of a pattern', () => findFiles(join(loop, '*.jsonl'))],
    ['a hash', () => hashFile(loop)],
    ['hashes of a model beside', () => besideHashes({ adapter: null, method: { name: 'dpo', reference: loop } } as never)],
    ['a model folder', () => openModelFolder(loop)],
    ['a reference', () => checkThere(loop, 'reference')],
    ['a kept reference', () => readKnown(loop, [])],
    ['a token of the hub', () => hubSettings({ HF_TOKEN_PATH: loop })],
    ['a model named as on the hub', async () => resolveModel('owner/name', scratch)],
  ])('%s throws, and takes it for nothing else', async (_what, read) => {
    await expect(Promise.resolve().then(read)).rejects.toMatchObject({ code: 'read_failed', kind: 'work' });
  });

  it('is not written over: checkpoints behind a link to itself stay', async () => {
    const run = join(scratch, 'run');
    mkdirSync(run);
    symlinkSync('checkpoints', join(run, 'checkpoints'));
    writeFileSync(join(run, 'metrics.jsonl'), '{"event":"warning"}\n');
    await expect(latestCheckpoint(run)).rejects.toMatchObject({ code: 'read_failed' });
    expect(readFileSync(join(run, 'metrics.jsonl'), 'utf8')).toBe('{"event":"warning"}\n');
  });
});
