import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { findFiles } from '../../../lib/data/read/glob.js';
import { readRows, readSource } from '../../../lib/data/read/read.js';
import { all, failure, makeRoom } from '../room.js';

const { folder, write } = makeRoom();
const TEXTS = [
  'First, "quoted" text.\nSecond line; naïve 世界 🧬.',
  '  leading spaces, and a comma',
  'A third,\r\nwith a carriage return.',
];
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
const csv = (header: string, rows: string[][]) => [header, ...rows.map((row) => row.map(quoted).join(','))].join('\r\n').concat('\r\n');
const texts = async (path: string) => (await all(readRows(path))).map(({ value }) => value.text);
const lines = async (path: string) => (await all(readRows(path))).map(({ line }) => line);

describe('one content in every kind of file', () => {
  const rows = TEXTS.map((text) => ({ text }));
  const jsonl = rows.map((row) => `${JSON.stringify({ id: 1, extra: null, ...row })}\n`).join('');
  const table = csv(
    'id,text',
    TEXTS.map((text, n) => [String(n), text]),
  );
  const tsv = ['id\ttext', ...TEXTS.map((text, n) => `${n}\t${quoted(text)}`)].join('\n');
  const columns = [
    { name: 'id', data: [1n, 2n, 3n], type: 'INT64' as const },
    { name: 'text', data: TEXTS, type: 'STRING' as const },
  ];
  const parquet = new Uint8Array(parquetWriteBuffer({ columnData: columns }));

  it.each<[string, string | Uint8Array, number[]]>([
    ['a.jsonl', jsonl, [1, 2, 3]],
    ['a.jsonl.gz', jsonl, [1, 2, 3]],
    ['unended.jsonl', `\ufeff${jsonl.trimEnd()}`, [1, 2, 3]],
    ['blank.jsonl', `\n${jsonl.replaceAll('\n', '\r\n\r\n')}`, [2, 4, 6]],
    ['a.json', JSON.stringify(rows), [1, 1, 1]],
    ['indented.json', `\ufeff${JSON.stringify(rows, null, 2)}`, [2, 5, 8]],
    ['lines.json', jsonl, [1, 2, 3]],
    ['a.csv', table, [2, 4, 5]],
    ['a.csv.gz', table, [2, 4, 5]],
    ['marked.csv', `\ufeff${table}`, [2, 4, 5]],
    ['blank.csv', `\r\n${table.replaceAll('\r\n"', '\r\n\r\n"')}`, [4, 7, 9]],
    ['a.tsv', tsv, [2, 4, 5]],
    ['a.parquet', parquet, [1, 2, 3]],
    ['a.parquet.gz', parquet, [1, 2, 3]],
  ])('%s', async (name, content, expected) => {
    const path = write(name, content);
    expect(await texts(path)).toEqual(TEXTS);
    expect(await lines(path)).toEqual(expected);
  });

  it.each<[string, string, number[]]>([
    ['cr.jsonl', jsonl.replaceAll('\n', '\r'), [1, 2, 3]],
    ['indented-lines.json', rows.map((row) => JSON.stringify(row, null, 1)).join('\n'), [1, 4, 7]],
    ['crlf.json', JSON.stringify(rows, null, 2).replaceAll('\n', '\r\n'), [2, 5, 8]],
    ['packed.json', rows.map((row) => JSON.stringify(row)).join(''), [1, 1, 1]],
  ])('%s', async (name, content, expected) => {
    const path = write(name, content);
    expect(await texts(path)).toEqual(TEXTS);
    expect(await lines(path)).toEqual(expected);
  });

  it.each(['txt', 'md', 'txt.gz', 'TXT'])('a file .%s is one row, as it stands', async (ending) => {
    for (const [n, text] of TEXTS.entries()) expect(await texts(write(`part-${n}.${ending}`, text))).toEqual([text]);
    expect(await texts(write(`marked.${ending}`, '\ufeffText\r\n'))).toEqual(['Text\r\n']);
  });

  it('a JSON file of one object is one row', async () => {
    expect(await texts(write('one.json', '\n{\n  "text": "a"\n}\n'))).toEqual(['a']);
  });

  it('names columns without a name, and trims the others', async () => {
    expect((await all(readRows(write('names.csv', ' a ,,b\n1,2,3\n'))))[0]?.value).toEqual({ a: '1', 'column 2': '2', b: '3' });
  });

  it('reads many rows of Parquet, integers as numbers', async () => {
    const data = Array.from({ length: 10_000 }, (_, n) => BigInt(n));
    const path = write(
      'many.parquet',
      new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'n', data, type: 'INT64' }], rowGroupSize: 3000 })),
    );
    const rows = await all(readRows(path));
    expect(rows.map(({ value }) => value.n)).toEqual(data.map(Number));
    expect(rows.at(-1)?.line).toBe(10_000);
  });
});

describe('bad files', () => {
  const good = (n: number) => '{"text": "once upon a time"}\n'.repeat(n);
  const cases: [name: string, ending: string, content: string | Uint8Array, place: string, words: string[]][] = [
    ['a malformed line', 'jsonl', `${good(6)}{"text": "cut\n${good(2)}`, ':7', ['not valid JSON']],
    ['a row that is no object', 'jsonl', `${good(2)}[1, 2]\n`, ':3', ['object', 'a list']],
    ['a row that is a number', 'jsonl', '5', ':1', ['object', '5']],
    ['a NUL byte', 'jsonl', `${good(1)}{"text": "a\0b"}\n`, ':2', ['NUL']],
    [
      'invalid UTF-8',
      'jsonl',
      Buffer.concat([Buffer.from(good(2)), Buffer.from('{"text": "caf\xe9"}\n', 'latin1')]),
      ':3',
      ['UTF-8', 'character 14'],
    ],
    ['20 MB without a line end', 'jsonl', `{"text": "${'a'.repeat(20_000_000)}`, ':1', ['not valid JSON']],
    ['UTF-16', 'jsonl', Buffer.from(`\ufeff${good(1)}`, 'utf16le'), ':1', ['looks like UTF-16']],
    ['UTF-16 without a mark', 'txt', Buffer.from('a text\nof two lines', 'utf16le'), ':1', ['NUL']],
    [
      'gzip that is cut',
      'jsonl.gz.cut',
      gzipSync(good(900) + Array.from({ length: 900 }, (_, n) => n).join('\n')).subarray(0, 60),
      '',
      ['ends too early'],
    ],
    ['gzip that is none', 'jsonl.gz.raw', 'no gzip at all', '', ['not valid gzip']],
    ['Parquet that is none', 'parquet', 'PAR1 this is no parquet PAR1', '', ['not a valid Parquet']],
    ['Parquet that is empty', 'parquet', '', '', ['not a valid Parquet']],
    ['an unknown ending', 'xyz', 'text', '', ['.xyz', '.jsonl']],
    ['a quote never closed', 'csv', 'id,text\n1,"never closed\n2,x\n', ':2', ['never closed']],
    ['a quote never closed, further down', 'csv', 'id,text\n\n1,"a\nb"\n\n2,"x\n3,y\n', ':6', ['never closed']],
    ['text behind a closing quote', 'csv', 'id,text\n1,x\n2,"a"b\n', ':3', ['closes a field']],
    ['too many fields', 'csv', 'id,text\n1,2\n\n1,2,3\n', ':4', ['3 fields', 'header 2']],
    ['too few fields', 'tsv', 'id\ttext\n1\n', ':2', ['1 fields', 'header 2']],
    ['a column twice', 'csv', 'id,id\n1,2\n', ':1', ['id is there twice']],
    ['semicolons', 'csv', 'id;text\n1;x\n', ':1', ['separated by ";"', 'commas']],
    ['tabs in CSV', 'csv', 'id\ttext\n1\tx\n', ':1', ['separated by "\\t"']],
    ['CSV that is no UTF-8', 'csv', Buffer.from('text\ncaf\xe9\n', 'latin1'), ':2', ['UTF-8']],
    ['a broken array', 'json', '[\n {"text": "a"},\n {"text" "b"}\n]\n', ':3', ['not valid JSON']],
    ['an array that ends early', 'json', '[\n {"text": "a"}\n', ':2', ['not valid JSON']],
    ['an array of numbers', 'json', '[\n {"text": "a"},\n\n 5]', ':4', ['object', '5']],
    ['a malformed line in .json', 'json', `${good(2)}{"text"\n`, ':3', ['not valid JSON']],
  ];
  it.each(cases)('%s', async (name, ending, content, place, words) => {
    const plain = ending.replace(/\.(cut|raw)$/, '');
    const path = join(folder, `bad ${name}.${plain}`);
    writeFileSync(path, content);
    const error = await failure(() => all(readSource(path)));
    expect(error.message.startsWith(`${path}${place}: `)).toBe(true);
    for (const word of words) expect(error.message).toContain(word);
    expect(error.message.length).toBeLessThan(1000);
    expect(error.file).toBe(path);
    expect(error.line).toBe(place === '' ? undefined : Number(place.slice(1)));
  });

  it.each(['', '\n\n\n', ' \r\n'])('no rows in %j', async (content) => {
    for (const ending of ['jsonl', 'json', 'txt', 'csv', 'tsv', 'jsonl.gz']) {
      const path = write(`empty.${ending}`, content);
      if (content.includes(' ') && /sv$/.test(ending)) continue; // a column without a name
      const error = await failure(() => all(readSource(path)));
      expect(error.message).toBe(`${path}: no rows`);
    }
    expect((await failure(() => all(readSource(write('header.csv', 'text\n'))))).code).toBe('empty_data');
  });

  it('what is not there, and folders', async () => {
    expect((await failure(() => all(readSource(join(folder, 'no-such-*.jsonl'))))).message).toContain('no-such-*.jsonl: no file matches');
    expect((await failure(() => all(readSource(join(folder, 'no-such.jsonl'))))).message).toContain('no-such.jsonl: no such file');
    expect((await failure(() => all(readRows(join(folder, 'no-such.parquet'))))).code).toBe('missing_data');
    mkdirSync(join(folder, 'folder.jsonl'), { recursive: true });
    expect((await failure(() => all(readSource(join(folder, 'folder.jsonl'))))).message).toContain('is a folder');
  });

  it('JSON nested 200,000 deep is refused without a crash', async () => {
    const path = write('deep.jsonl', `{"text": ${'['.repeat(200_000)}${']'.repeat(200_000)}}\n`);
    expect((await failure(() => all(readRows(path)))).message).toContain('.jsonl:1: not valid JSON: lists and objects lie deeper than 500');
  });
});

describe('a pattern beside runs', () => {
  const project = join(folder, 'project');
  const file = (name: string, text: string) => {
    mkdirSync(join(project, name, '..'), { recursive: true });
    writeFileSync(join(project, name), text);
  };
  file('notes/a.jsonl', '{"text":"a"}\n');
  file('notes/recipe.yaml', 'model: m\n');
  for (const name of ['metrics.jsonl', 'answers.jsonl', 'adapter/adapter_config.json', 'checkpoints/step-000002/state.json'])
    file(`runs/x/${name}`, '{"text":"of the run"}\n');
  file('runs/x/recipe.yaml', '# Written by attune: every default is filled in and every path is absolute.\nmodel: m\n');
  const find = async (pattern: string, leftOut?: Set<string>) =>
    (await findFiles(join(project, pattern), leftOut)).map((path) => relative(project, path));

  it('passes over their folders, and tells which', async () => {
    const leftOut = new Set<string>();
    expect(await find('**/*.json*', leftOut)).toEqual(['notes/a.jsonl']);
    expect([...leftOut]).toEqual([join(project, 'runs/x')]);
    await expect(find('runs/*/*.jsonl')).rejects.toMatchObject({ message: expect.stringContaining('those of runs, which are left out') });
  });

  it('reads what a run sampled where its folder is named, and nothing else of it', async () => {
    expect(await find('runs/x/*.jsonl')).toEqual(['runs/x/answers.jsonl']);
    expect(await find('runs/x/**/*.json*')).toEqual(['runs/x/answers.jsonl']);
    expect(await find('runs/x/metrics.jsonl')).toEqual(['runs/x/metrics.jsonl']);
  });
});

describe('globs', () => {
  it('take files in order of names, and names with special characters as they stand', async () => {
    const names = ['g/b.jsonl', 'g/a.jsonl', 'g/a.txt', 'g/.hidden.jsonl', 'g/[x]/d.jsonl', 'g/sub/c.jsonl', 'g/sub/deep/e.jsonl'];
    for (const name of names) write(name, '{"text": "x"}\n');
    const find = async (pattern: string) => (await findFiles(join(folder, pattern))).map((path) => path.slice(folder.length + 1));
    expect(await find('g/*.jsonl')).toEqual(['g/a.jsonl', 'g/b.jsonl']);
    expect(await find('g/[!a].jsonl')).toEqual(['g/b.jsonl']);
    expect(await find('g/?.{jsonl,txt}')).toEqual(['g/a.jsonl', 'g/a.txt', 'g/b.jsonl']);
    expect(await find('g/[x]/*.jsonl')).toEqual(['g/[x]/d.jsonl']);
    expect(await find('g/**/*.jsonl')).toEqual(['g/[x]/d.jsonl', 'g/a.jsonl', 'g/b.jsonl', 'g/sub/c.jsonl', 'g/sub/deep/e.jsonl']);
    expect(await find('*/sub/*.jsonl')).toEqual(['g/sub/c.jsonl']);
    expect(await find('g/a.jsonl')).toEqual(['g/a.jsonl']);
    expect((await all(readSource(join(folder, 'g/[ab].jsonl')))).map(({ file }) => file.at(-7))).toEqual(['a', 'b']);
  });
});

it('any rows come back from JSON Lines, JSON and CSV as they went in, whatever the chunks', async () => {
  const value = fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 60 }), other: fc.string({ maxLength: 5 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (rows) => {
      const read = async (name: string, content: string) => (await all(readRows(write(name, content)))).map((row) => row.value);
      expect(await read('p.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))).toEqual(rows);
      expect(await read('p.json', JSON.stringify(rows, null, 1))).toEqual(rows);
      expect(
        await read(
          'p.csv',
          csv(
            'text,other',
            rows.map((row) => [row.text, row.other]),
          ),
        ),
      ).toEqual(rows);
    }),
    { numRuns: 40, seed: 7 },
  );
  const long = 'ä'.repeat(400_000); // more than one chunk of the stream, cut inside a character
  expect(await texts(write('long.jsonl', `{"text":"x${long}"}\n{"text":"${long}"}`))).toEqual([`x${long}`, long]);
});
