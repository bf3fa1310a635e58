/** `attune doctor` */
import { freemem, totalmem } from 'node:os';
import { addon, addonCandidates } from '../native.js';
import type { Command } from './command.js';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Tells what this machine offers, what attune chose of it, and what is missing.',
  options: {},
  examples: [['attune doctor', 'what to look at first when something does not work']],
  async run(_values, context) {
    const facts = { ...program(), ...(await tokenizers()), memory: memory(), cuda: cuda() };
    context.print(context.json ? JSON.stringify(facts) : describe(facts));
  },
};

type Facts = Record<string, unknown>;

function program(): Facts {
  const node = process.version;
  const platform = `${process.platform} ${process.arch}`;
  try {
    const { version, cpu } = addon();
    return { attune: version, node, platform, native: { available: true, version }, cpu };
  } catch (error) {
    const reason = (error as Error).message;
    return { node, platform, native: { available: false, reason, looked: addonCandidates() }, cpu: null };
  }
}

async function tokenizers(): Promise<Facts> {
  const native = await import('tokenizers').then(
    () => ({ engine: 'native' }),
    () => ({ engine: 'javascript', reason: 'the optional package tokenizers is not installed; the JavaScript library is slower' }),
  );
  return { tokenizers: native };
}

const memory = () => ({
  totalMiB: mib(totalmem()),
  freeMiB: mib(freemem()),
  limitMiB: mib(Math.min(totalmem(), process.constrainedMemory() || totalmem())),
});
const mib = (bytes: number) => Math.round(bytes / 2 ** 20);

function cuda(): Facts {
  return { available: false, reason: 'this version computes on the CPU' };
}

/** Facts as lines, groups indented. */
function describe(facts: Facts, indent = ''): string {
  return Object.entries(facts)
    .map(([key, value]) => {
      const isGroup = value !== null && typeof value === 'object' && !Array.isArray(value);
      return isGroup ? `${indent}${key}\n${describe(value as Facts, `${indent}  `)}` : `${indent}${key}: ${value ?? 'unknown'}`;
    })
    .join('\n');
}
