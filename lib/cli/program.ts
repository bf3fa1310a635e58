/** The command line: finds the command, runs it, tells errors. */
import { readFileSync } from 'node:fs';
import { nearest, RequestError } from '../errors/index.js';
import { build } from './build.js';
import type { Command, Context } from './command.js';
import { doctor } from './doctor.js';
import { evaluate } from './evaluate.js';
import { failureOf } from './failure.js';
import { generate } from './generate.js';
import { merge } from './merge.js';
import { parseCommand, programHelp } from './parse.js';
import { preview } from './preview.js';
import { Progress } from './progress.js';
import { scoreReward } from './score_reward.js';
import { train } from './train.js';

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [train, evaluate, generate, merge, scoreReward, preview, doctor, build];

const version = () => JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version as string;

/** Runs a command line and returns the exit status. */
export async function runProgram(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  const context = contextOf(args.includes('--json'), stop.signal);
  const forget = listen(stop);
  try {
    await dispatch(args, context);
    return 0;
  } catch (thrown) {
    const { status, text, event } = failureOf(thrown, stop.signal);
    context.progress.end();
    context.note(text);
    if (context.json) context.print(JSON.stringify(event));
    return status;
  } finally {
    forget();
  }
}

async function dispatch(args: readonly string[], context: Context): Promise<void> {
  const at = args.findIndex((arg) => !arg.startsWith('-'));
  const name = args[at];
  if (name === undefined) {
    context.print(withoutCommand(args));
    return;
  }
  const command = commands.find((one) => one.name === name);
  if (command === undefined) {
    const names = commands.map((one) => one.name);
    const guess = nearest(name, names);
    const hint = guess === undefined ? `; there are ${names.join(', ')}` : `; did you mean ${guess}?`;
    throw new RequestError('unknown_command', `unknown command ${name}${hint}`);
  }
  const parsed = parseCommand(command, [...args.slice(0, at), ...args.slice(at + 1)]);
  if ('values' in parsed) return command.run(parsed.values, context);
  const more = await command.more?.();
  context.print(more === undefined ? parsed.help : `${parsed.help}\n\n${more}`);
}

function withoutCommand(args: readonly string[]): string {
  const unknown = args.find((arg) => !['--help', '-h', '--version', '-v', '--json'].includes(arg));
  if (unknown !== undefined) throw new RequestError('unknown_option', `unknown option ${unknown}; see attune --help`);
  if (args.includes('--version') || args.includes('-v')) return version();
  if (args.includes('--help') || args.includes('-h')) return programHelp(commands, version());
  throw new RequestError('missing_command', `missing command; there are ${commands.map(({ name }) => name).join(', ')}; see attune --help`);
}

function contextOf(json: boolean, signal: AbortSignal): Context {
  const write = (text: string) => {
    process.stdout.write(text);
  };
  const note = (line: string) => {
    process.stderr.write(`${line}\n`);
  };
  const progress = new Progress(process.stderr, json);
  const warn = ({ message }: { message: string }) => progress.warn(`warning: ${message}`);
  return { json, write, print: (line) => write(`${line}\n`), note, warn, progress, signal };
}

/** The first Ctrl-C asks the command to stop where it is safe, the second ends the process. A reader that went away ends it quietly. */
function listen(stop: AbortController): () => void {
  const interrupt = () => (stop.signal.aborted ? process.exit(130) : stop.abort());
  const broken = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  process.stdout.on('error', broken);
  process.stderr.on('error', broken);
  return () => {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    process.stdout.off('error', broken);
    process.stderr.off('error', broken);
  };
}
