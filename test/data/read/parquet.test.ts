import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PARQUET_LIBRARIES, ParquetProcess } from '../../../lib/data/read/parquet_process.js';
import { PARQUET_READER } from '../../../lib/data/read/parquet_reader.js';
import { readRows } from '../../../lib/data/read/read.js';
import type { AttuneError } from '../../../lib/errors/index.js';
import { jsonText } from '../../../lib/json/index.js';
import { all, failure, makeRoom } from '../room.js';

/** Written by `reference/parquet_files.py`, but for `hang.parquet`, which a fuzzer found. */
const fixture = (name: string) => fileURLToPath(new URL(`../../reference/fixtures/parquet/${name}`, import.meta.url));
const texts = async (path: string) => (await all(readRows(path))).map(({ value }) => jsonText(value));
const { write } = makeRoom();

describe('rows of Parquet', () => {
  it('have no keys that their structs were padded with', async () => {
    const call = (name: string, given: string) => `{"type":"function","function":{"name":"${name}","arguments":{${given}}}}`;
    expect(await texts(fixture('padded.parquet'))).toEqual([
      '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}',
      `{"messages":[{"role":"user","content":"q2"},{"role":"assistant","tool_calls":[${call('weather', '"city":"Oslo"')}]},{"role":"tool","content":"r","name":"weather"}]}`,
      `{"messages":[{"role":"assistant","content":"","tool_calls":[${call('rain', '"days":3')}]}]}`,
    ]);
  });

  it('keep numbers, and dates as Python prints them', async () => {
    // As pyarrow reads them back: `parquet_files.py` prints the columns.
    const [first, second, third] = (await all(readRows(fixture('values.parquet')))).map(({ value }) =>
      Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonText(one)])),
    );
    expect(first).toMatchObject({ whole: '12345678901234567', large: '18446744073709551615', small: '1', double: '1.0', odd: 'nan' });
    expect(first).toMatchObject({
      single: '0.5',
      money: '12.50',
      flag: 'true',
      day: '"2026-03-07"',
      map: '{"b":1,"a":2}',
      lists: '[[1.0],[]]',
    });
    expect(first).toMatchObject({ moment: '"2026-03-07 09:05:03.000120"', utc: '"2026-03-07 09:05:03+00:00"', text: '"é"' });
    expect(second).toMatchObject({ whole: '-1', double: '1e-05', odd: 'inf', single: '0.10000000149011612', money: '-0.05', map: '{}' });
    expect(second).toMatchObject({ day: '"1969-12-31"', moment: '"1969-12-31 23:59:59"', lists: 'null', text: '""' });
    expect(third).toMatchObject({
      whole: 'null',
      double: '1e+16',
      money: '12345678901234567890.10',
      lists: '[[0.25,2.0]]',
      text: '"\ufeffx"',
    });
  });

  it.each(['latin.parquet', 'latin_dictionary.parquet'])('that are no UTF-8 are refused by number: %s', async (name) => {
    const error = await failure(() => all(readRows(fixture(name))));
    expect(error).toMatchObject({
      code: 'not_utf8',
      line: 2,
      message: expect.stringContaining('text is not valid UTF-8 (at character 4)'),
    });
  });
});

describe.each(['snappy', 'gzip', 'brotli', 'zstd', 'lz4'])('pages packed by %s', (codec) => {
  const file = fixture(`${codec}.parquet`);

  it('are read, those of a column of nulls with its empty dictionary', async () => {
    const rows = await all(readRows(file));
    expect(rows).toHaveLength(3);
    expect(rows[2]).toMatchObject({ value: { text: 'line 2 of a story about the sea and the sea', none: null } });
  });

  it('are refused where they unpack to another length than their header says', async () => {
    for (const more of [2, -2]) {
      const bytes = readFileSync(file);
      expect([...bytes.subarray(4, 7)]).toEqual([0x15, 0, 0x15]); // Thrift: type (data page), then the length unpacked, in zigzag
      bytes[7]! += more;
      const bent = write(`${codec}${more}.parquet`, bytes);
      expect(await failure(() => all(readRows(bent)))).toMatchObject({ code: 'bad_parquet', file: bent });
    }
  });
});

/** As the built package has it: the process that asks is none of vitest's. */
const START = new URL('../../../dist/processes/start.js', import.meta.url).href;
/** Has a reader read what keeps it busy, unchecked, and tells its number. */
const ASKER = `
  const [start, source, file, ...paths] = process.argv.slice(1);
  const { startProgram } = await import(start);
  const reader = startProgram(source, paths);
  reader.send({ file });
  reader.once('message', () => reader.send({ from: 0, to: 4 }, () => setTimeout(() => console.log(reader.pid), 100)));`;

/** Whether a process runs: one that has ended may wait for its parent. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

describe('damaged Parquet', () => {
  it('is refused where its counts say so, before anything is read', async () => {
    // A page that names no encoding, and no lengths of its levels: its reader would write two billion values.
    const error = (await failure(() => all(readRows(fixture('hang.parquet'))))) as AttuneError;
    expect(error).toMatchObject({ code: 'bad_parquet', message: expect.stringContaining('pages of column j name no encoding') });
  });

  it('that keeps its reader busy is refused after a time', async () => {
    const reader = new ParquetProcess('latin.parquet', 0, 0);
    expect(await failure(() => reader.open({ file: fixture('latin.parquet') }))).toMatchObject({
      code: 'bad_parquet',
      message: expect.stringContaining('no further in 0 seconds'),
    });
    expect((await failure(() => reader.read(0, 1))).code).toBe('bad_parquet');
  });

  it.skipIf(process.platform !== 'linux')('leaves no busy reader behind when the process that asks is killed', async () => {
    const wanted = [START, PARQUET_READER, fixture('hang.parquet'), ...PARQUET_LIBRARIES];
    const asker = spawn(process.execPath, ['--input-type=module', '-e', ASKER, ...wanted]);
    const [line] = (await once(asker.stdout, 'data')) as [Buffer];
    const reader = Number(line);
    expect(isAlive(reader)).toBe(true);
    asker.kill('SIGKILL');
    for (let n = 0; n < 200 && isAlive(reader); n++) await new Promise((later) => setTimeout(later, 50));
    expect(isAlive(reader)).toBe(false);
  });

  it('that says it holds more rows than there are, or is cut, is refused', async () => {
    const whole = readFileSync(fixture('latin.parquet'));
    for (const size of [0, 3, 11, 100, whole.length - 1])
      expect((await failure(() => all(readRows(write('cut.parquet', whole.subarray(0, size)))))).code).toBe('bad_parquet');
  });
});
