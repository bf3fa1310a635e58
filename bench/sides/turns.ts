// Several programs by turns: the one that waits stands still. Each has memory of its own, so that peaks are its own too.
import { type Ceilings, type Machine, middle, rest } from '../machine.js';
import type { Program, Took } from './side.js';

export interface Turns {
  /** What each said when it was ready: versions, threads. */
  ready: Record<string, unknown>;
  took: Took[];
  peakMiB: number;
}

/** Round 0 of each is not measured: pages and caches settle, threads are started. */
export async function takeTurns(starts: readonly (() => Program)[], rounds: number): Promise<Map<string, Turns>> {
  const sides: Program[] = [];
  const leave = () => {
    for (const side of sides) side.stop();
  };
  // A program that stands still would stand for ever.
  process.once('exit', leave);
  const turns = new Map<string, Turns>();
  try {
    for (const start of starts) {
      const side = start();
      sides.push(side);
      turns.set(side.name, { ready: await side.ready(), took: [], peakMiB: 0 });
      side.pause();
    }
    for (let round = 0; round <= rounds; round++)
      for (const side of sides) {
        side.resume();
        await rest();
        const took = await side.step();
        side.pause();
        if (round) turns.get(side.name)!.took.push(took);
      }
    for (const side of sides) {
      side.resume();
      turns.get(side.name)!.peakMiB = await side.end();
    }
    return turns;
  } finally {
    leave();
    process.removeListener('exit', leave);
  }
}

export interface Figures {
  tokensPerSecond: number;
  slowest: number;
  fastest: number;
  secondsPerStep: number;
  peakMiB: number;
}

/** @param tokens of a step, as the user gave them */
export function figures({ took, peakMiB }: Turns, tokens: number): Figures {
  const seconds = took.map((one) => one.seconds);
  const speed = seconds.map((s) => Number((tokens / s).toFixed(1)));
  return {
    tokensPerSecond: middle(speed),
    slowest: Math.min(...speed),
    fastest: Math.max(...speed),
    secondsPerStep: Number(middle(seconds).toFixed(4)),
    peakMiB: Math.round(peakMiB),
  };
}

/** How many times as fast as `base`, round by round, and which share of its memory. */
export function beside(one: Turns, base: Turns) {
  const ratios = one.took.map((own, n) => base.took[n]!.seconds / own.seconds);
  const [median, least, most] = [middle(ratios), Math.min(...ratios), Math.max(...ratios)].map((x) => Number(x.toFixed(2)));
  return { median: median!, least: least!, most: most!, memory: Number((one.peakMiB / base.peakMiB).toFixed(3)) };
}

const says = (name: string, f: Figures) =>
  `${name.padEnd(28)} ${f.tokensPerSecond} tokens/s (${f.slowest} to ${f.fastest}), ${f.secondsPerStep} s, peak ${f.peakMiB} MiB`;

/** A line a program, each but `base` beside it. */
function table(turns: ReadonlyMap<string, Turns>, tokens: number, base: string): string {
  const lines = [...turns].map(([name, one]) => {
    const ratio = name === base ? undefined : beside(one, turns.get(base)!);
    const against = ratio && `; ${ratio.median} x ${base} (${ratio.least} to ${ratio.most}), ${ratio.memory} of its memory`;
    return `${says(name, figures(one, tokens))}${against ?? ''}`;
  });
  return lines.join('\n');
}

/** The same for `--json`. */
const asJson = (turns: ReadonlyMap<string, Turns>, tokens: number, base: string) =>
  Object.fromEntries(
    [...turns].map(([name, one]) => [
      name,
      { ...figures(one, tokens), ...one.ready, last: one.took.at(-1), ...(name !== base && { ratio: beside(one, turns.get(base)!) }) },
    ]),
  );

export interface Account<W extends { network: unknown; dtype: string; threads: number }> {
  /** The work in words. */
  what: string;
  work: W;
  /** Of a step, as the user gave them. */
  tokens: number;
  rounds: number;
  /** The side that the others stand beside. */
  base: string;
  machine: Machine;
  ceilings: readonly Ceilings[];
}

/** Prints what turns came to, in words or as one JSON object. */
export function tell<W extends { network: unknown; dtype: string; threads: number }>(
  turns: ReadonlyMap<string, Turns>,
  { what, work, tokens, rounds, base, ...where }: Account<W>,
  json: boolean,
): void {
  const { network: _, ...rest } = work;
  if (json) console.log(JSON.stringify({ sides: asJson(turns, tokens, base), work: rest, ...where }));
  else console.log(`${what}, ${work.dtype}, ${work.threads} threads, ${rounds} rounds\n${table(turns, tokens, base)}`);
}
