// npm run bench -- kernels [--only NAME] [--variant V] [--threads 1,2] [--json]
//
// Every kernel, variant and shape: time of one run (middle of several, by turns), GFLOP/s or GB/s, share of the ceiling that this machine showed
// in the same moment, and error against the reference. The cases come from the *.bench.ts files beside this one.
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { kernelVariants } from '../../lib/kernels/index.js';
import type { Variant } from '../../lib/native.js';
import type { BenchCase } from '../cases.js';
import { type Ceilings, ceilings, describe, giga, machine, middle } from '../machine.js';
import { orEnd } from '../options.js';

const ROUNDS = 5;
/** A measured run is at least this long: clocks and interrupts then matter little. */
const SHORTEST = 0.01;
/** Seconds of waiting that one variant and number of threads may cost in further rounds: large operands are packed anew in every call. */
const BUDGET = 1;
/** How long a look at the ceiling counts as the same moment. */
const FRESH_MS = 15_000;
/** The reference (plain loops, double sums, about 1 GFLOP/s) is left out of larger cases, unless `--variant reference` asks for it. */
const REFERENCE_FLOPS = 1e9;

export interface Result {
  kernel: string;
  shape: string;
  dtype: 'f32' | 'bf16';
  variant: Variant;
  threads: number;
  seconds: number;
  gflops?: number;
  gbs?: number;
  /** Of the ceiling that is nearer: `of` names it. */
  share?: number;
  of?: 'multiply' | 'memory';
  /** ||got - reference|| / ||reference||. */
  error?: number;
}

const { values: options } = orEnd(() =>
  parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      variant: { type: 'string', multiple: true },
      threads: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
    },
  }),
);

async function allCases(): Promise<BenchCase[]> {
  const here = dirname(fileURLToPath(import.meta.url));
  const files = readdirSync(here).filter((name) => name.endsWith('.bench.js'));
  const lists = await Promise.all(
    files.map(async (name) => (await import(pathToFileURL(`${here}/${name}`).href)) as { cases: BenchCase[] }),
  );
  const wanted = (name: string) => !options.only || options.only.some((only) => name.startsWith(only));
  return lists.flatMap(({ cases }) => cases).filter(({ kernel }) => wanted(kernel));
}

function share(one: BenchCase, seconds: number, top: Ceilings): Pick<Result, 'gflops' | 'gbs' | 'share' | 'of'> {
  const [flops, bytes] = [(one.flops ?? 0) / seconds, (one.bytes ?? 0) / seconds];
  const shares = { multiply: flops / top[one.dtype], memory: bytes / top.memory };
  const of = shares.multiply >= shares.memory ? 'multiply' : 'memory';
  return { ...(flops && { gflops: flops / 1e9 }), ...(bytes && { gbs: bytes / 1e9 }), ...((flops || bytes) && { share: shares[of], of }) };
}

/** One run tells how many make a measurement, and what a call costs beside it; on the way caches and pages settle. */
function calibrate(run: (repeat: number) => number): { repeat: number; rounds: number; times: number[] } {
  const start = performance.now();
  const first = run(1);
  const call = (performance.now() - start) / 1000;
  const repeat = Math.min(1 << 20, Math.ceil(SHORTEST / Math.max(first, 1e-8)));
  const rounds = Math.max(0, Math.min(ROUNDS, Math.floor(BUDGET / Math.max(call, first * repeat))));
  // Where nothing further can be afforded, the first time stands.
  return { repeat, rounds, times: rounds === 0 ? [first] : [] };
}

const looks = new Map<string, { at: number; top: Ceilings }>();

/** The ceiling as it was at most a few seconds ago: hosts and neighbours change it within minutes. */
function ceilingNow(variant: Variant, threads: number): Ceilings {
  const key = `${variant} ${threads}`;
  const last = looks.get(key);
  if (last && performance.now() - last.at < FRESH_MS) return last.top;
  const top = ceilings(variant, threads, 0.01);
  looks.set(key, { at: performance.now(), top });
  return top;
}

/** All variants and thread counts of one case, by turns, and the ceiling of the moment. */
function measure(one: BenchCase, variants: Variant[], threads: number[]): Result[] {
  const prepared = one.prepare();
  const runs = variants.flatMap((variant) =>
    threads.map((count) => ({ variant, count, ...calibrate((n) => prepared.run(variant, count, n)) })),
  );
  for (let round = 0; round < ROUNDS; round++) {
    for (const { variant, count, repeat, rounds, times } of runs) if (round < rounds) times.push(prepared.run(variant, count, repeat));
  }
  const errors = new Map(variants.map((variant) => [variant, prepared.error?.(variant)]));
  return runs.map(({ variant, count, times }) => {
    const seconds = middle(times);
    const error = errors.get(variant);
    const { kernel, shape, dtype } = one;
    const top = ceilingNow(variant, count);
    return { kernel, shape, dtype, variant, threads: count, seconds, ...share(one, seconds, top), ...(error !== undefined && { error }) };
  });
}

/** Variants of a case that are worth the wait. */
function variantsOf(one: BenchCase): Variant[] {
  const all = kernelVariants(one.kernel);
  if (options.variant) return all.filter((variant) => options.variant!.includes(variant));
  return all.filter((variant) => variant !== 'reference' || (one.flops ?? 0) <= REFERENCE_FLOPS);
}

const time = (s: number) => (s < 1e-3 ? `${(s * 1e6).toFixed(1)} µs` : s < 1 ? `${(s * 1e3).toFixed(2)} ms` : `${s.toFixed(2)} s`);

function line(r: Result): string {
  const speed =
    r.of === 'memory'
      ? `${r.gbs!.toFixed(1)} GB/s`
      : r.gflops
        ? `${giga(r.gflops * 1e9)} GFLOP/s`
        : r.gbs
          ? `${r.gbs.toFixed(1)} GB/s`
          : '';
  const part = r.share === undefined ? '' : `${(100 * r.share).toFixed(0)} % of ${r.of}`;
  const error = r.error === undefined ? '' : `error ${r.error.toExponential(1)}`;
  return [
    r.kernel.padEnd(22),
    r.shape.padEnd(26),
    r.dtype.padEnd(5),
    r.variant.padEnd(10),
    String(r.threads).padEnd(3),
    time(r.seconds).padStart(10),
    speed.padStart(15),
    part.padStart(18),
    error.padStart(15),
  ].join(' ');
}

const here = machine();
const threads = options.threads ? options.threads.split(',').map(Number) : [...new Set([1, here.cpus])];
const tops = threads.map((count) => ceilings(here.variant, count));
const cases = await allCases();
if (cases.length === 0) {
  process.stderr.write('attune: no bench has such a kernel\n');
  process.exitCode = 2;
} else {
  if (!options.json) console.log(`${describe(here, tops)}\n`);
  const results: Result[] = [];
  for (const one of cases) {
    for (const result of measure(one, variantsOf(one), threads)) {
      results.push(result);
      if (!options.json) console.log(line(result));
    }
  }
  if (options.json) console.log(JSON.stringify({ machine: here, ceilings: tops, results }));
}
