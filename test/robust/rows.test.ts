/** Files of rows that are bent: read, or refused with file and place. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { readRows } from '../../lib/data/read/read.js';
import { scratchFolder } from '../support/tiny_model.js';
import { mutateBytes, mutateJson } from './mutate.js';
import type { Random } from './random.js';
import { inputs, PATIENCE, trial } from './trial.js';

const scratch = scratchFolder();

const ROWS: unknown[] = [
  { prompt: 'a', chosen: 'b', rejected: 'c' },
  {
    messages: [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: [{ type: 'text', text: 'b' }] },
    ],
    tools: [{ name: 'f' }],
  },
  { prompt: 'p', completion: 'é\u{1f600}', label: true, id: 12345678901234567890n.toString(), n: 1e-5 },
];
const TABLE = 'prompt,chosen,rejected\n"a b","c ""d""",e\nx,y,z\n1,2,"3\n4"\n';

function text(ending: string, r: Random): string {
  if (ending === 'csv' || ending === 'txt') return TABLE;
  if (ending === 'tsv') return TABLE.replaceAll(',', '\t');
  const rows = r.chance(0.4) ? ROWS.map((row) => mutateJson(row, r)) : ROWS;
  return ending === 'json' ? JSON.stringify(rows) : rows.map((row) => JSON.stringify(row) ?? '').join('\n');
}

async function readAll(file: string): Promise<void> {
  let count = 0;
  for await (const _ of readRows(file)) if (++count > 1_000_000) throw new Error('more than a million rows from a small file');
}

describe('a file of rows', () => {
  it.each(['jsonl', 'json', 'csv', 'tsv', 'txt'])('.%s that is bent is read or refused', { timeout: PATIENCE }, async (ending) => {
    const count = inputs(150);
    const { accepted } = await trial(`rows-${ending}`, count, (r) => {
      const packed = r.chance(0.2);
      const plain = Buffer.from(text(ending, r));
      const bent = mutateBytes(packed ? gzipSync(plain) : plain, r, 1 + r.below(5));
      const file = join(scratch, `d.${ending}${packed ? '.gz' : ''}`);
      writeFileSync(file, bent);
      return () => readAll(file);
    });
    if (count >= 150) expect(accepted).toBeGreaterThan(0);
  });

  it('.parquet that is bent is read or refused', { timeout: PATIENCE }, async () => {
    const files = (['UNCOMPRESSED', 'SNAPPY'] as const).map((codec) => parquetFile(codec));
    const file = join(scratch, 'd.parquet');
    const count = inputs(100);
    const { accepted, refused } = await trial('parquet', count, (r) => {
      writeFileSync(file, mutateBytes(r.pick(files), r, 1 + r.below(3)));
      return () => readAll(file);
    });
    if (count < 100) return;
    expect(accepted).toBeGreaterThan(0);
    expect(Object.keys(refused).length).toBeGreaterThan(0);
  });
});

function parquetFile(codec: 'UNCOMPRESSED' | 'SNAPPY'): Buffer {
  const columns = [
    { name: 'prompt', data: ['a', 'b', 'c', 'd'], type: 'STRING' as const },
    { name: 'n', data: [1, 2, 3, 4], type: 'INT32' as const },
    { name: 'b', data: [1n, 2n, 3n, 2n ** 60n], type: 'INT64' as const },
    { name: 'j', data: [{ a: 1 }, [2], 'x', null], type: 'JSON' as const },
  ];
  return Buffer.from(parquetWriteBuffer({ columnData: columns, codec }));
}
