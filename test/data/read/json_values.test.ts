import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRows } from '../../../lib/data/read/read.js';
import { jsonText } from '../../../lib/json/index.js';
import { all, failure, makeRoom } from '../room.js';

const { write } = makeRoom();
const values = async (path: string) => (await all(readRows(path))).map(({ value }) => jsonText(value));

describe('rows of JSON', () => {
  const NUMBERS = '{"b":12345678901234567890,"10":1.0,"2":1e-05,"x":[0.10,-0.0,7]}';

  it.each(['jsonl', 'json'])('keep numbers and keys in .%s', async (ending) => {
    expect(await values(write(`numbers.${ending}`, `${NUMBERS}\n${NUMBERS}\n`))).toEqual([NUMBERS, NUMBERS]);
  });

  it('tell of keys that come twice', async () => {
    const [row] = await all(readRows(write('twice.jsonl', '{"text":"a","text":"b"}\n')));
    expect([row?.value.text, row?.repeated]).toEqual(['b', ['text']]);
  });

  it('come whole from files that are read in many chunks', async () => {
    const row = fc.record({ text: fc.string({ unit: 'grapheme' }), n: fc.integer() });
    const any = fc.asyncProperty(fc.array(row, { maxLength: 5 }), fc.boolean(), fc.nat(2), async (rows, isList, indent) => {
      // Longer than one chunk of 256 KiB, with quotes and braces at its border.
      const padded = rows.map((one) => ({ ...one, filler: '{"\\\\[,'.repeat(30_000) }));
      const text = isList ? JSON.stringify(padded, null, indent) : padded.map((one) => JSON.stringify(one, null, indent)).join('\n');
      expect((await values(write('chunks.json', text))).map((one) => JSON.parse(one))).toEqual(padded);
    });
    await fc.assert(any, { numRuns: 15 });
  });

  it('are refused with their place where the list of them is broken', async () => {
    const cases: [text: string, line: number, message: string][] = [
      ['[{"text": "a"}\n{"text": "b"}]', 2, 'expected a comma or ], found "{"'],
      ['[{"text": "a"},\n]', 2, 'expected a value, found "]"'],
      ['[{"text": "a"}]\n[', 2, 'expected nothing more, found "["'],
      ['[{"text": "a"},', 1, 'expected a value, found the end'],
      ['{"text": "a"},\n{"text": "b"}', 1, 'put the rows in [ ]'],
      [']', 1, 'expected a value, found "]"'],
      ['[\n{"text": "a"},\n{"text": NaN}]', 3, 'NaN is no number of JSON'],
      ['[\n{"text": "a"},\n7]', 3, 'not 7'],
      ['{"text": "a"}\n{"text": "b"', 2, 'found the end'],
      ['["a", {"text": "b"}]', 1, 'not a text'],
    ];
    for (const [text, line, message] of cases) {
      const error = await failure(() => all(readRows(write('broken.json', text))));
      expect(error.message).toContain(message);
      expect([text, error.message]).toEqual([text, expect.stringContaining(`broken.json:${line}:`)]);
    }
  });

  it('are no rows where the list is empty, or the file', async () => {
    for (const text of ['[]', ' [ ]\n', '', '\n']) expect(await values(write('empty.json', text))).toEqual([]);
  });

  it('of UTF-16 or Latin-1 are refused as such', async () => {
    const text = '[{"text": "café"}]';
    const wide = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
    expect((await failure(() => all(readRows(write('wide.json', wide))))).message).toContain('looks like UTF-16');
    const big = Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(text, 'utf16le').swap16()]);
    expect((await failure(() => all(readRows(write('wide.json', big))))).message).toContain('looks like UTF-16');
    expect((await failure(() => all(readRows(write('latin.json', Buffer.from(text, 'latin1')))))).message).toContain('not valid UTF-8');
  });
});
