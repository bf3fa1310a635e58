import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hashFile } from '../../../lib/training/run/manifest.js';
import { scratchFolder } from '../../support/tiny_model.js';

const scratch = scratchFolder();

it('hashes a file as sha256sum does, one of several pieces too, and stops when it is told to', async () => {
  const [short, long] = [join(scratch, 'abc.txt'), join(scratch, 'long.bin')];
  writeFileSync(short, 'abc');
  expect(await hashFile(short)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  const bytes = Buffer.alloc(2 ** 22 + 5, 'grow ');
  writeFileSync(long, bytes);
  expect(await hashFile(long)).toBe(createHash('sha256').update(bytes).digest('hex'));
  await expect(hashFile(long, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
});
