// What may stand behind `npm run bench -- NAME` for the benches of a whole network, and how it is read.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { DType } from '../lib/native.js';
import { machine } from './machine.js';

export interface Wanted<N extends string, S extends string> {
  /** Options with a whole number, and what they are where they are not given. */
  numbers: Record<N, number>;
  /** Options without a value. */
  switches?: readonly S[];
  /** Options with the path of something. */
  paths?: readonly ('peer' | 'model')[];
}

export type BenchOptions<N extends string, S extends string> = Record<N, number> &
  Record<S, boolean> & { dtype: DType; threads: number; json: boolean; peer?: string; model?: string };

/** Reads the command line, or says what is wrong with it and ends with status 2. */
export const benchOptions = <N extends string, S extends string = never>(wanted: Wanted<N, S>): BenchOptions<N, S> =>
  orEnd(() => readOptions(wanted, process.argv.slice(2)));

/** What `read` makes of the command line; what it throws ends the bench with status 2. */
export function orEnd<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    process.stderr.write(`attune: ${(error as Error).message}\n`);
    process.exit(2);
  }
}

/**
 * Every such bench knows `--dtype`, `--threads` (0, the default: all) and `--json` too.
 * @throws Error that names the option
 */
export function readOptions<N extends string, S extends string = never>(
  { numbers, switches = [], paths = [] }: Wanted<N, S>,
  args: string[],
): BenchOptions<N, S> {
  const counts: Record<string, number> = { threads: 0, ...numbers };
  const [word, flag] = [{ type: 'string' }, { type: 'boolean', default: false }] as const;
  const known = { ...of([...Object.keys(counts), ...paths, 'dtype'], word), ...of([...switches, 'json'], flag) };
  const { values } = parseArgs({ args, options: known });
  const { dtype = 'bf16' } = values;
  if (dtype !== 'bf16' && dtype !== 'f32') throw new Error(`--dtype is bf16 or f32, got ${dtype}`);
  const read = Object.entries(counts).map(([name, usual]) => [name, whole(name, values[name] ?? usual)]);
  const places = paths.flatMap((name) => (values[name] === undefined ? [] : [[name, resolve(String(values[name]))]]));
  const found = { ...values, ...Object.fromEntries([...read, ...places]), dtype };
  return { ...found, threads: found.threads || machine().cpus };
}

const of = <T>(names: readonly string[], kind: T): Record<string, T> => Object.fromEntries(names.map((name) => [name, kind]));

function whole(name: string, value: unknown): number {
  const number = Number(value);
  if (value !== '' && Number.isInteger(number) && number >= 0) return number;
  throw new Error(`--${name} is a whole number, got ${value}`);
}
