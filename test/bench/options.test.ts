import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { machine } from '../../bench/machine.js';
import { readOptions } from '../../bench/options.js';

const WANTED = { numbers: { rounds: 3, new: 64 }, switches: ['groups'], paths: ['peer'] } as const;
const read = (...args: string[]) => readOptions(WANTED, args);

describe('options of a bench', () => {
  it('have defaults; no number of threads is all of them', () => {
    expect(read()).toEqual({ dtype: 'bf16', threads: machine().cpus, json: false, groups: false, rounds: 3, new: 64 });
  });

  it('are numbers, switches, and paths from this folder', () => {
    const given = read('--rounds', '0', '--threads=1', '--dtype', 'f32', '--groups', '--json', '--peer', 'bench/../bin/python');
    expect(given).toEqual({ dtype: 'f32', threads: 1, json: true, groups: true, rounds: 0, new: 64, peer: resolve('bin/python') });
  });

  it.each([
    [['--rounds', 'x'], '--rounds is a whole number, got x'],
    [['--rounds', '1.5'], '--rounds is a whole number'],
    [['--rounds='], '--rounds is a whole number'],
    [['--new=-1'], '--new is a whole number, got -1'],
    [['--dtype', 'int8'], '--dtype is bf16 or f32, got int8'],
    [['--model', 'm'], "Unknown option '--model'"],
  ])('%j are refused', (args, message) => {
    expect(() => read(...args)).toThrow(message);
  });
});
