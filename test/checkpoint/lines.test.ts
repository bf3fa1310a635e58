import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { wholeLines, writeLines } from '../../lib/checkpoint/lines.js';
import { scratchFolder } from '../support/tiny_model.js';

const scratch = scratchFolder();

async function linesIn(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of wholeLines(path)) lines.push(line);
  return lines;
}

it('come back as they went in, whatever other line ends are in them, longer than what is read at once too', async () => {
  const path = join(scratch, 'x.jsonl');
  const lines = ['', 'a\u2028b\u2029c', 'é'.repeat(2 ** 18), 'ends in \r', 'x'.repeat(2 ** 20 + 3), '\u{1f600}'];
  await writeLines(path, lines);
  expect(await linesIn(path)).toEqual(lines);
});

it('leave out a last one that was cut', async () => {
  const path = join(scratch, 'cut.jsonl');
  writeFileSync(path, '{"a":1}\n{"a":2}\n{"a":');
  expect(await linesIn(path)).toEqual(['{"a":1}', '{"a":2}']);
  writeFileSync(path, '{"a":');
  expect(await linesIn(path)).toEqual([]);
});

it('are no empty file where they cannot be read, and a file is not written over by what could not be read', async () => {
  const loop = join(scratch, 'loop');
  symlinkSync('loop', loop);
  await expect(linesIn(loop)).rejects.toMatchObject({ code: 'read_failed' });
  const path = join(scratch, 'kept.jsonl');
  writeFileSync(path, 'kept\n');
  await expect(writeLines(path, wholeLines(loop))).rejects.toMatchObject({ code: 'read_failed' });
  expect(await linesIn(path)).toEqual(['kept']);
});
