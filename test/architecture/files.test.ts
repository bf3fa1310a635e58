import { describe, expect, it } from 'vitest';
import { cppSuffixes, files, type SourceFile, scriptSuffixes } from './source.js';

const CODE = ['lib', 'native', 'test', 'bench', 'scripts', 'bin'];
const code = CODE.flatMap((folder) => files(folder, [...scriptSuffixes, ...cppSuffixes]));

// Spelt in pieces, so that these lines do not match themselves.
const NOTES = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);
const MACHINE_PATHS = /(^|[^A-Za-z0-9_.])\/(work|farm|root|home\/[a-z]+|Users\/[A-Za-z]+)\//m;

const MERIT_NAMES = new Set(['utils', 'util', 'helpers', 'helper', 'manager', 'v2', 'fast', 'optimized', 'optimised']);

/** `lib/data/FastReader.utils.ts` → fast, reader, utils, ts. */
const words = (path: string) => (path.split('/').pop() ?? '').split(/[._-]|(?<=[a-z0-9])(?=[A-Z])/).map((word) => word.toLowerCase());

const longest = ({ path }: SourceFile) => (cppSuffixes.some((suffix) => path.endsWith(suffix)) ? 500 : 300);

/** The comment at the top: everything before the first line of code. */
const topComment = ({ text }: SourceFile) => text.match(/^(#!.*\n)?(\s*(\/\/.*|\/\*[\s\S]*?\*\/|#pragma once)\s*\n?)*/)?.[0] ?? '';

const tooLong = (file: SourceFile) => file.text.split('\n').length - 1 > longest(file) && !/Long because: \S/.test(topComment(file));

describe('every file', () => {
  it('is named after its mechanism, not its merit', () => {
    expect(code.map(({ path }) => path).filter((path) => words(path).some((word) => MERIT_NAMES.has(word)))).toEqual([]);
  });

  it('carries no note of work to do', () => {
    expect(code.filter(({ text }) => NOTES.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('names no path of the machine it was written on', () => {
    const everything = files('.').filter(({ text }) => !text.includes('\0'));
    expect(everything.filter(({ text }) => MACHINE_PATHS.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('is short, or says at its top "Long because: …"', () => {
    expect(code.filter(tooLong).map(({ path, text }) => `${path}: ${text.split('\n').length - 1} lines`)).toEqual([]);
  });

  it('is judged by rules that see a fault', () => {
    expect(words('lib/data/FastReader.utils.ts')).toEqual(['fast', 'reader', 'utils', 'ts']);
    expect(NOTES.test(`// ${'TO' + 'DO'}: later`)).toBe(true);
    expect(MACHINE_PATHS.test(`open("/${'home'}/someone/x")`)).toBe(true);
    expect(MACHINE_PATHS.test('see docs/work/notes')).toBe(false);
    const long = 'x\n'.repeat(301);
    expect(tooLong({ path: 'lib/a.ts', text: long })).toBe(true);
    expect(tooLong({ path: 'native/base/a.h', text: long })).toBe(false);
    expect(tooLong({ path: 'lib/a.ts', text: `// One table.\n// Long because: one table.\n${long}` })).toBe(false);
    expect(tooLong({ path: 'lib/a.ts', text: `const a = 1;\n// Long because: too late.\n${long}` })).toBe(true);
  });
});
