// Programs in a process of their own: what they answer, and what ends them.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ParquetProcess } from '../../lib/data/read/parquet_process.js';
import { NoAnswer, Program } from '../../lib/processes/start.js';
import { NativeProcess } from '../../lib/tokenizer/native_process.js';
import { byteLevel } from '../tokenizer/fixtures.js';

const SOURCE = `
  const kept = [];
  const answers = {
    add: ({ a, b }) => a + b,
    grow: () => { for (;;) kept.push(Buffer.alloc(1 << 20, 1)); },
    hang: () => { for (;;); },
    leave: () => process.exit(3),
  };
  process.on('message', (question) => process.send(answers[question.what](question)));`;

interface Question {
  what: 'add' | 'grow' | 'hang' | 'leave';
  a?: number;
  b?: number;
}

describe('a program', () => {
  it('answers one question after another, until it is closed', async () => {
    const program = new Program<Question, number>(SOURCE, []);
    expect(await program.ask({ what: 'add', a: 2, b: 3 }, 60)).toBe(5);
    expect(await program.ask({ what: 'add', a: 4, b: 5 }, 60)).toBe(9);
    program.close();
    await expect(program.ask({ what: 'add', a: 1, b: 1 }, 60)).rejects.toThrow(NoAnswer);
  });

  it.each<[Question['what'], number, string]>([
    ['grow', 60, 'took more than 200 MiB of memory'],
    ['hang', 1, 'got no further in 1 seconds'],
    ['leave', 60, 'ended its process (status 3)'],
  ])('that would %s is ended, and says why at every further question', async (what, seconds, why) => {
    const program = new Program<Question, number>(SOURCE, [], 200 * 2 ** 20);
    for (const question of [{ what }, { what: 'add' as const, a: 1, b: 1 }])
      await expect(program.ask(question, seconds)).rejects.toThrow(why);
  });
});

describe('a file whose reading takes too much memory is refused', () => {
  const memory = expect.stringContaining('took more than 1 MiB of memory');

  // It is looked at every 50 ms: a first answer may come before.
  it('as a tokenizer', async () => {
    const source = JSON.stringify(await byteLevel());
    const encoded = async () => {
      const opened = await NativeProcess.open(source, 'tokenizer.json', 2 ** 20);
      for (;;) await opened.encode({ texts: ['a'], special: false });
    };
    await expect(encoded()).rejects.toMatchObject({ code: 'malformed_tokenizer', file: 'tokenizer.json', message: memory });
  });

  it('as rows', async () => {
    const file = fileURLToPath(new URL('../reference/fixtures/parquet/values.parquet', import.meta.url));
    const reader = new ParquetProcess('rows.parquet', statSync(file).size, 60, 2 ** 20);
    const read = async () => {
      for (;;) await reader.open({ file });
    };
    await expect(read()).rejects.toMatchObject({ code: 'bad_parquet', file: 'rows.parquet', message: memory });
  });
});
