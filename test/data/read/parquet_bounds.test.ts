import { describe, expect, it } from 'vitest';
import { footerFault, pagesFault } from '../../../lib/data/read/parquet_bounds.js';
import type { ParquetNode, ParquetPage } from '../../../lib/data/read/parquet_reader.js';

const leaf = (name: string, repetition_type = 'OPTIONAL'): ParquetNode => ({ children: [], element: { name, repetition_type } });
const tree: ParquetNode = {
  element: { name: 'root' },
  children: [leaf('flat'), { element: { name: 'list' }, children: [leaf('item', 'REPEATED')] }],
};
const column = { path: 'flat', codec: 'SNAPPY', values: 4, start: 4, bytes: 100 };
const group = (rows: number, change: object = {}) => ({ rows, columns: [{ ...column, ...change }] });
const page: ParquetPage = { type: 'DATA_PAGE_V2', bytes: 40, plainBytes: 60, values: 4, encoding: 'PLAIN', levels: [2, 0] };

describe('the footer of a Parquet file', () => {
  it('fits the file', () => {
    expect(footerFault(4, [group(4)], tree, 104)).toBeUndefined();
    expect(footerFault(2, [group(2, { path: 'list.item', values: 9 })], tree, 104)).toBeUndefined();
    expect(footerFault(0, [], tree, 20)).toBeUndefined();
    expect(footerFault(0, [group(4)], tree, 104)).toBeUndefined();
  });

  it.each([
    ['other rows than its row groups', 5, {}, 'holds 5 rows, its row groups 4'],
    ['rows below zero', -4, {}, 'holds -4 rows'],
    ['more values than rows', 4, { values: 2e9 }, '2000000000 values in 4 rows'],
    ['values that are no number', 4, { values: Number.NaN }, 'NaN values'],
    ['bytes behind its end', 4, { bytes: 101 }, 'beyond the file'],
    ['bytes before its beginning', 4, { start: -1 }, 'beyond the file'],
  ])('is refused with %s', (_what, rows, change, words) => {
    expect(footerFault(rows, [group(Math.abs(rows) === 4 ? rows : 4, change)], tree, 104)).toContain(words);
  });
});

describe('pages of a Parquet column', () => {
  it('fit the column', () => {
    const dictionary = { type: 'DICTIONARY_PAGE', bytes: 20, plainBytes: 24, values: 3, encoding: 'PLAIN' };
    expect(pagesFault(column, [dictionary, page])).toBeUndefined();
  });

  it.each([
    ['more bytes than the column', { bytes: 101 }, '101 bytes of 100'],
    ['bytes below zero', { bytes: -1 }, '-1 bytes'],
    ['more than their codec can make', { plainBytes: 2 ** 31 - 1 }, '40 bytes of SNAPPY become 2147483647'],
    ['more values than the column', { values: 5 }, '5 values, the column 4'],
    ['values for which there is no memory', { values: 2 ** 45 }, 'more than the memory'],
    ['no encoding', { encoding: undefined }, 'no encoding'],
    ['levels of no length', { levels: [undefined, undefined] }, 'levels of'],
    ['levels longer than they are', { levels: [40, 1] }, 'levels of 40 and 1 bytes in 40'],
    ['a dictionary of more values than bytes', { type: 'DICTIONARY_PAGE', values: 61 }, '61 values in 60 bytes'],
  ])('are refused with %s', (_what, change, words) => {
    expect(pagesFault(column, [{ ...page, ...change } as ParquetPage])).toContain(words);
  });
});
