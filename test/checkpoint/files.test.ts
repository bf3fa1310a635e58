import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkNewFolder, folderWhole, removePartial, removePartialOf, writeFault, writeWhole } from '../../lib/checkpoint/files.js';
import { scratchFolder } from '../support/tiny_model.js';

const scratch = scratchFolder();
let folders = 0;
function room(): string {
  const folder = join(scratch, `room${++folders}`);
  mkdirSync(folder);
  return folder;
}

const failing = (code: string) => Object.assign(new Error(`${code}: it went wrong`), { code });

describe('a file written whole', () => {
  it('has its content, and keeps the older one when writing fails', async () => {
    const folder = room();
    const path = join(folder, 'x.json');
    await writeWhole(path, 'first');
    await writeWhole(path, async (file) => {
      await file.writeFile('sec');
      await file.writeFile('ond');
    });
    expect(readFileSync(path, 'utf8')).toBe('second');
    const full = async () => Promise.reject(failing('ENOSPC'));
    await expect(writeWhole(path, full)).rejects.toMatchObject({ code: 'disk_full', kind: 'work' });
    expect(readFileSync(path, 'utf8')).toBe('second');
    expect(readdirSync(folder)).toEqual(['x.json']);
  });
});

describe('a folder written whole', () => {
  it('appears with everything in it, or not at all', async () => {
    const folder = room();
    const path = join(folder, 'above', 'made');
    await folderWhole(path, async (temporary) => {
      mkdirSync(join(temporary, 'inner'));
      writeFileSync(join(temporary, 'inner', 'a'), 'a');
      expect(readdirSync(join(folder, 'above'))).not.toContain('made');
    });
    expect(readdirSync(join(path, 'inner'))).toEqual(['a']);
    await expect(folderWhole(path, async () => {})).rejects.toMatchObject({ code: 'output_exists', kind: 'request' });
    const other = join(folder, 'other');
    await expect(folderWhole(other, async () => Promise.reject(failing('EDQUOT')))).rejects.toMatchObject({ code: 'disk_full' });
    expect(readdirSync(folder)).toEqual(['above']);
  });

  it('is made beside what a killed process left of it, which goes; what a running one makes stays', async () => {
    const folder = room();
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    for (const name of [`.out.partial-${pid}-ab`, `.out.partial-${process.pid}-ab`, `.out2.partial-${pid}-ab`])
      mkdirSync(join(folder, name));
    await removePartialOf(join(folder, 'out'));
    expect(readdirSync(folder).sort()).toEqual([`.out.partial-${process.pid}-ab`, `.out2.partial-${pid}-ab`]);
  });

  it('leaves what a killed process began to the next one to remove', async () => {
    const folder = room();
    mkdirSync(join(folder, '.step-000002.partial-123-abcd'));
    writeFileSync(join(folder, '.x.partial-123-abcd'), '');
    writeFileSync(join(folder, 'kept'), '');
    await removePartial(folder);
    await removePartial(join(folder, 'no-such-folder'));
    expect(readdirSync(folder)).toEqual(['kept']);
  });
});

describe('a place for a new folder', () => {
  it('is checked before the work', async () => {
    const folder = room();
    await checkNewFolder(join(folder, 'a', 'b', 'c'), '');
    await expect(checkNewFolder(folder, 'take another')).rejects.toMatchObject({
      code: 'output_exists',
      message: `${folder} exists already; take another`,
    });
    writeFileSync(join(folder, 'plain-file'), '');
    await expect(checkNewFolder(join(folder, 'plain-file', 'out'), '')).rejects.toMatchObject({ code: 'not_writable', kind: 'request' });
    expect(readdirSync(folder)).toEqual(['plain-file']);
  });

  it.skipIf(process.geteuid?.() === 0)('is refused where the user may not write (root may everywhere)', async () => {
    const folder = room();
    chmodSync(folder, 0o555);
    await expect(checkNewFolder(join(folder, 'out'), '')).rejects.toMatchObject({ code: 'not_writable' });
  });
});

describe('a failure to write', () => {
  it.each([
    ['ENOSPC', 'work', 'disk_full'],
    ['EACCES', 'request', 'not_writable'],
    ['EROFS', 'request', 'not_writable'],
    ['ENOTDIR', 'request', 'not_writable'],
    ['EIO', 'work', 'write_failed'],
  ])('%s is told as %s error %s', (code, kind, own) => {
    expect(writeFault(failing(code), 'runs/x')).toMatchObject({ kind, code: own, message: expect.stringContaining('runs/x') });
  });

  it('of another kind passes through', () => {
    const error = new Error('no file was harmed');
    expect(writeFault(error, 'x')).toBe(error);
  });
});
