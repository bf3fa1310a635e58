/** How an error is told: lines on standard error, with `--json` an event on standard output, and an exit status. */
import { AttuneError, exitStatus, InterruptedError } from '../errors/index.js';

/** Longest message: enough for a list of differences, never a screen full. */
const LONGEST = 1900;

export interface Failure {
  status: number;
  /** Lines for standard error. */
  text: string;
  /** Event for standard output under `--json`. */
  event: { event: 'error'; code: string; message: string; file?: string; line?: number };
}

/** @param signal of the command: what an abort threw is an interruption, whatever it is called */
export function failureOf(thrown: unknown, signal: AbortSignal, debug = Boolean(process.env.ATTUNE_DEBUG)): Failure {
  const error = told(thrown, signal);
  const message = error.message.length > LONGEST ? `${error.message.slice(0, LONGEST)} …` : error.message;
  const { code, file, line } = error;
  const stack = debug && thrown instanceof Error ? `\n${thrown.stack}${causes(thrown)}` : '';
  const place = { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
  return { status: exitStatus(error), text: `attune: ${message}${stack}`, event: { event: 'error', code, message, ...place } };
}

function told(thrown: unknown, signal: AbortSignal): AttuneError {
  if (thrown instanceof AttuneError) return thrown;
  const { name, message = String(thrown) } = (thrown ?? {}) as Partial<Error>;
  if (name === 'AbortError' && signal.aborted) return new InterruptedError('interrupted');
  const advice = 'this is a fault of attune; run again with ATTUNE_DEBUG=1 for the place, and report it';
  return new AttuneError('work', 'internal', `${message.split('\n')[0]} (${advice})`, { cause: thrown });
}

function causes(error: Error): string {
  return error.cause instanceof Error ? `\ncaused by ${error.cause.stack}${causes(error.cause)}` : '';
}
