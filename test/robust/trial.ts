/**
 * Puts random inputs to something that must take each or refuse it with one of attune's errors.
 *
 * `ATTUNE_FUZZ_INPUTS=20000` tries as many of each kind, `ATTUNE_FUZZ_SEED=2` others, and `ATTUNE_FUZZ_FROM=1234 ATTUNE_FUZZ_INPUTS=1` one
 * alone, by the number that a failure names.
 */
import { expect } from 'vitest';
import { AttuneError } from '../../lib/errors/index.js';
import { choices, type Random } from './random.js';
import { Watch } from './watch.js';

const number = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise);
const SEED = number('ATTUNE_FUZZ_SEED', 1);
const FROM = number('ATTUNE_FUZZ_FROM', 0);
/** Resident memory that one small input may add, in bytes. */
const MOST_MEMORY = 1 << 30;

/** How many inputs are tried: `few` in `npm test`. */
export const inputs = (few: number) => number('ATTUNE_FUZZ_INPUTS', few);
/** Time for all of them, in milliseconds: a trial is ended by its inputs (see Watch), not by the test's limit. */
export const PATIENCE = 6 * 3_600_000;

/** What is wrong with an error that attune threw, or undefined. */
export function fault(error: unknown): string | undefined {
  if (!(error instanceof AttuneError)) return `raw ${String((error as Error)?.stack ?? error).slice(0, 400)}`;
  // What native code did not expect: a fault of attune, not of the input.
  if (error.code === 'native_failure') return `native_failure: ${error.message}`;
  return undefined;
}

export interface Outcome {
  accepted: number;
  refused: Record<string, number>;
}

/** Makes an input, and gives what uses it: only that may be refused. */
export type Make = (random: Random, index: number) => () => unknown;

/** Uses inputs of this kind, and fails where one of them ends in anything but success or a refusal. */
export async function trial(name: string, count: number, make: Make): Promise<Outcome> {
  const watch = new Watch(name);
  const outcome: Outcome = { accepted: 0, refused: {} };
  const faults: string[] = [];
  try {
    for (let index = FROM; index < FROM + count && faults.length < 20; index++) {
      const use = make(choices(SEED, index), index);
      watch.start(index);
      const wrong = await one(use, outcome);
      if (wrong) faults.push(`input ${index} of ${name}, seed ${SEED}: ${wrong}`);
    }
  } finally {
    await watch.end();
  }
  expect(faults).toEqual([]);
  if (process.env.ATTUNE_FUZZ_INPUTS) process.stderr.write(`${name}: ${count} inputs ${JSON.stringify(outcome)}\n`);
  return outcome;
}

async function one(use: () => unknown, outcome: Outcome): Promise<string | undefined> {
  const before = process.memoryUsage.rss();
  try {
    await use();
    outcome.accepted++;
  } catch (error) {
    const wrong = fault(error);
    if (wrong) return wrong;
    const { code } = error as AttuneError;
    outcome.refused[code] = (outcome.refused[code] ?? 0) + 1;
  }
  const more = process.memoryUsage.rss() - before;
  return more > MOST_MEMORY ? `took ${Math.round(more / 2 ** 20)} MiB` : undefined;
}
