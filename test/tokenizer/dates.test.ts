// strftime of chat templates against Python's (test/reference/strftime.py).
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { strftime } from '../../lib/tokenizer/template/dates.js';

interface Recorded {
  directives: string;
  flags: string[];
  rows: { moment: [number, number, number, number, number, number, number]; written: string[] }[];
}
const file = new URL('../reference/strftime.json', import.meta.url);
const { directives, flags, rows } = JSON.parse(readFileSync(file, 'utf8')) as Recorded;

it.each(flags.map((flag, n) => ({ flag, n })))('writes every directive as Python does, with the flag "$flag"', ({ flag, n }) => {
  expect(rows.length).toBeGreaterThan(30);
  // Python writes `%-f` for %-f: what it makes of that is no date.
  const known = [...directives].filter((one) => flag === '' || one !== 'f');
  for (const { moment, written } of rows) {
    const [year, month, ...rest] = moment;
    const date = new Date(year, month - 1, ...rest);
    const got = known.map((one) => `%${flag}${one} ${strftime(date, `%${flag}${one}`)}`);
    const texts = written[n]!.split('|');
    const expected = known.map((one) => `%${flag}${one} ${texts[directives.indexOf(one)]}`);
    expect(got, moment.join()).toEqual(expected);
  }
});

it.each(['%-f', '%_f', '%^f', '%Q', '%E', '%'])('refuses %j by name', (directive) => {
  expect(() => strftime(new Date(0), directive)).toThrow(`strftime_now: the directive ${directive} is not supported`);
});
