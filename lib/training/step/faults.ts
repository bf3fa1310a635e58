/** A step whose figures are no numbers, told with the rows that it came from. */
import type { Tokens } from '../../data/index.js';
import { WorkError } from '../../errors/index.js';
import type { Figures } from '../../model/passes.js';

/** Rows named in a message. */
const MOST_NAMED = 6;

/** @param what the figure that is no number, in words */
export function notFinite(what: string, step: number, rows: readonly Pick<Tokens, 'file' | 'line'>[]): WorkError {
  const places = [...new Set(rows.map(({ file, line }) => `${file}:${line}`))];
  const more = places.length > MOST_NAMED ? ` and ${places.length - MOST_NAMED} more` : '';
  const named = places.slice(0, MOST_NAMED).join(', ');
  return new WorkError('loss_not_finite', `${what} at step ${step}, in ${named}${more}; lower train.learningRate, or look at these rows`);
}

/**
 * Sequences with a log-probability or score that is no number; all of them if each by itself is one.
 * @param starts (S + 1) index of each sequence's first log-probability
 */
export function faultySequences<T>({ logprob, score }: Figures, starts: Int32Array, sequences: readonly T[]): T[] {
  const faulty = sequences.filter((_, s) => {
    const own = score === undefined ? logprob.subarray(starts[s], starts[s + 1]) : score.subarray(s, s + 1);
    return own.some((value) => !Number.isFinite(value));
  });
  return faulty.length > 0 ? faulty : [...sequences];
}
