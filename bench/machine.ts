// The machine that a bench runs on: what it is, and its ceilings, measured by the bench itself on random data.
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';
import { ceiling } from '../lib/kernels/index.js';
import { addon, type Variant } from '../lib/native.js';

export interface Machine {
  cpu: string;
  system: string;
  cpus: number;
  memoryGiB: number;
  /** Load of the last minute before the bench began: figures of a busy machine are worth little. */
  load: number;
  node: string;
  native: string;
  variant: Variant;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    system: `${platform()} ${arch()}`,
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
    node: process.version,
    native: addon().version,
    variant: addon().cpu.chosen,
  };
}

export interface Ceilings {
  threads: number;
  variant: Variant;
  /** Operations per second. */
  f32: number;
  bf16: number;
  /** Bytes per second, the better of reading and copying. */
  memory: number;
}

/** Best of three short looks each: a ceiling is what the machine can do, not what it does on average. */
export function ceilings(variant: Variant, threads: number, seconds = 0.03): Ceilings {
  const best = (args: Parameters<typeof ceiling>[0]) =>
    Math.max(...[1, 2, 3].map(() => ceiling({ ...args, seconds }, { variant, threads })));
  return {
    threads,
    variant,
    f32: best({ kind: 'multiply', dtype: 'f32' }),
    bf16: best({ kind: 'multiply', dtype: 'bf16' }),
    memory: Math.max(best({ kind: 'read' }), best({ kind: 'copy' })),
  };
}

/** Of one thread and of as many as a bench uses. */
export const ceilingsTo = (variant: Variant, threads: number) => [...new Set([1, threads])].map((count) => ceilings(variant, count));

export const middle = (values: number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

/** Before a turn: threads that others left spinning come to rest. */
export const rest = () => new Promise<void>((done) => setTimeout(done, 30));

/** One line about the machine and one of its ceilings per number of threads. */
export function describe(m: Machine, all: Ceilings[]): string {
  const lines = all.map(
    (c) =>
      `ceiling, ${c.variant}, ${c.threads} thread${c.threads > 1 ? 's' : ''}: f32 ${giga(c.f32)} GFLOP/s, bf16 ${giga(c.bf16)} GFLOP/s, memory ${giga(c.memory)} GB/s`,
  );
  return [`${m.cpu}, ${m.cpus} CPUs, ${m.memoryGiB} GiB, ${m.system}, load ${m.load}, node ${m.node}, ${m.variant}`, ...lines].join('\n');
}

export const giga = (x: number) => (x / 1e9 < 10 ? (x / 1e9).toFixed(2) : x / 1e9 < 100 ? (x / 1e9).toFixed(1) : (x / 1e9).toFixed(0));
