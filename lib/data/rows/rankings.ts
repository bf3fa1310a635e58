/** Rankings of answers to one prompt, in the two ways that data sets write them. */
import { DataError } from '../../errors/index.js';
import { kindOf, numberOf } from '../read/values.js';
import type { Row } from '../types.js';
import { answerColumns, type Mapping } from './mapping.js';
import { isSame } from './pairs.js';
import { type Answer, answerFrom, listIn, origin } from './rows.js';

interface Ranked {
  answer: Answer;
  rank: number;
}

/** The answers of a row, best first, their places from 0 (ties share one), and whether one is set above another that says the same. */
export function rankingOf(row: Row, mapping: Mapping): { answers: Answer[]; ranks: number[]; isEqual: boolean } {
  // One file may write its rankings in both ways.
  const { answers: column, ranking = 'ranking' } = answerColumns(row, 'rankings') ?? mapping.answers;
  const found = column === undefined ? ordered(row, mapping, ranking) : ranked(row, mapping, column);
  if (found.length < 2)
    throw new DataError('bad_ranking', `${column ?? ranking} needs two answers or more to compare, not ${found.length}`, origin(row));
  const sorted = found.toSorted((a, b) => a.rank - b.rank);
  const distinct = [...new Set(sorted.map(({ rank }) => rank))];
  const isEqual = sorted.some((a) => sorted.some((b) => a.rank < b.rank && isSame(a.answer, b.answer)));
  return { answers: sorted.map(({ answer }) => answer), ranks: sorted.map(({ rank }) => distinct.indexOf(rank)), isEqual };
}

/** `ranking: [best, …, worst]`. */
const ordered = (row: Row, mapping: Mapping, column: string): Ranked[] =>
  listIn(row, mapping, column).map((value, rank) => ({ answer: answerFrom(row, value, `${column}[${rank}]`), rank }));

/** `answers: [{ text, rank }]`, 1 the best. */
function ranked(row: Row, mapping: Mapping, column: string): Ranked[] {
  return listIn(row, mapping, column).map((value, n) => {
    const at = `${column}[${n}]`;
    if (value === null || typeof value !== 'object' || Array.isArray(value))
      throw new DataError('bad_ranking', `${at} must be { text, rank }, not ${kindOf(value)}`, origin(row));
    const { text, rank } = value as Record<string, unknown>;
    if (text === undefined) throw new DataError('bad_ranking', `${at} has no text; expected { text, rank }`, origin(row));
    return { answer: answerFrom(row, text, `${at}.text`), rank: numberOf(rank, `${at}.rank`, row) };
  });
}
