import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Records, TableFault } from '../../../lib/data/read/delimited.js';
import { readRows } from '../../../lib/data/read/read.js';
import { all, failure, makeRoom } from '../room.js';

const { write } = makeRoom();
const records = (text: string, delimiter: ',' | '\t' = ',', isLoose = false) => {
  const found = new Records(delimiter, isLoose);
  return [...found.add(text), ...found.end()];
};
const fields = (text: string, ...rules: [delimiter?: ',' | '\t', isLoose?: boolean]) => records(text, ...rules).map((one) => one.fields);

describe('records', () => {
  // What Python 3.12's csv.reader gives for the same text.
  it.each<[string, string[][]]>([
    [
      'a,b\n1,5" x\n',
      [
        ['a', 'b'],
        ['1', '5" x'],
      ],
    ],
    [
      'a,b\n1, "y"\n',
      [
        ['a', 'b'],
        ['1', ' "y"'],
      ],
    ],
    [
      'a,b\r1,2\r3,4\r',
      [
        ['a', 'b'],
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'a,b\r\n1,"x\ry"\r\n',
      [
        ['a', 'b'],
        ['1', 'x\ry'],
      ],
    ],
    ['a\n"""q"""\n', [['a'], ['"q"']]],
    [
      'a,b\n,\n',
      [
        ['a', 'b'],
        ['', ''],
      ],
    ],
    ['a\n""', [['a'], ['']]],
    [
      'a,b\n"1","2,\n""3"""',
      [
        ['a', 'b'],
        ['1', '2,\n"3"'],
      ],
    ],
  ])('%j', (text, expected) => {
    expect(fields(text)).toEqual(expected);
  });

  it('begin on their lines, empty lines passed over', () => {
    expect(records('a\n\n"x\r\ny"\r\r\nz\n\n').map(({ line }) => line)).toEqual([1, 3, 6]);
  });

  it('with text behind a closing quote are refused, or keep their quotes in files of tabs', () => {
    expect(() => fields('a\n\n"x"y\n')).toThrowError(
      expect.objectContaining({ line: 3, message: expect.stringContaining('a quote is written twice') }),
    );
    expect(fields('"Hi," she said\t"b"\n', '\t', true)).toEqual([['"Hi," she said', 'b']]);
  });

  it('with a quote that is never closed are refused where it opens', () => {
    expect(() => fields('a,b\n1,2\n3,"x\ny\n')).toThrowError(expect.objectContaining({ line: 3 }));
    expect(() => fields('a,b\n1,2\n3,"x\ny\n')).toThrowError(TableFault);
  });

  it('come back as they were written, in any pieces', () => {
    const field = fc.string({ unit: fc.constantFrom(...'ab",\n\r é') });
    const table = fc.array(fc.array(field, { minLength: 2, maxLength: 3 }), { maxLength: 4 });
    const same = fc.property(table, fc.constantFrom('\n', '\r\n', '\r'), (rows, end) => {
      const text = rows.map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(',') + end).join('');
      const found = new Records(',', false);
      const pieces = text.split(/(?<=\n)/);
      expect([...pieces.flatMap((piece) => [...found.add(piece)]), ...found.end()].map((one) => one.fields)).toEqual(rows);
    });
    fc.assert(same, { numRuns: 300 });
  });
});

describe('tables', () => {
  const rows = async (name: string, text: string) => (await all(readRows(write(name, text)))).map(({ value, line }) => [line, value]);

  it('of lines that end with CR alone', async () => {
    expect(await rows('mac.csv', 'prompt,completion\rA,B\rC,D\r')).toEqual([
      [2, { prompt: 'A', completion: 'B' }],
      [3, { prompt: 'C', completion: 'D' }],
    ]);
  });

  it('with a blank before a quote say so where their fields do not match', async () => {
    const error = await failure(() => all(readRows(write('blank.csv', 'a,b\nx, "y, z"\n'))));
    expect(error).toMatchObject({
      code: 'bad_table',
      line: 2,
      message: expect.stringContaining('the row has 3 fields, the header 2; a field begins with a blank'),
    });
  });
});
