/** Rows of a prompt and what is to be learnt from its answers. */
import { DataError } from '../../errors/index.js';
import { plainValue } from '../../json/index.js';
import { booleanOf, numberOf } from '../read/values.js';
import { contentText } from '../rows/content.js';
import type { Mapping } from '../rows/mapping.js';
import { isSame, type Pair, pairOf } from '../rows/pairs.js';
import { rankingOf } from '../rows/rankings.js';
import { type Answer, answerIn, columnValue, mapRow, origin, type ShapedRow } from '../rows/rows.js';
import type { ChatMessage, Origin, Row, UnitKind } from '../types.js';
import { filled, type OwnTemplate } from './template.js';

/** Why a well-formed row has nothing to learn from. */
export type EmptyRow = 'ties' | 'equal_answers';

/** A prompt, its answers and what is said of them. */
export interface UnitRow extends Origin {
  unit: UnitKind;
  prompt: ShapedRow;
  /** Best first. */
  answers: Answer[];
  /** Place of each answer, 0 the best; ties share a place. */
  ranks: number[];
  /** Of each answer, where they are thumbs. */
  labels: boolean[];
  margin: number;
  columns: Record<string, unknown>;
  empty?: EmptyRow;
}

export interface UnitRules {
  /** A pair becomes a thumb up and a thumb down. */
  apart: boolean;
  /** A template of one's own, which may make the answers. */
  own?: OwnTemplate | undefined;
}

/** The row in a kind other than `rows`. @throws DataError with the row's place */
export function mapUnit(row: Row, mapping: Mapping, rules: UnitRules): UnitRow {
  const { kind } = mapping;
  if (kind === 'pairs') return pairRow(row, mapping, rules);
  if (kind === 'rankings') return rankingRow(row, mapping);
  if (kind === 'thumbs') return thumbRow(row, mapping, rules);
  return promptRow(row, mapping);
}

const plain = (row: Row, unit: UnitKind) => ({ ...origin(row), unit, ranks: [0], labels: [], margin: 0, columns: {} });

function pairRow(row: Row, mapping: Mapping, { apart, own }: UnitRules): UnitRow {
  const { prompt, answers } = own !== undefined && 'chosen' in own ? ownPair(row, mapping, own) : pairOf(row, mapping);
  const said = { margin: marginOf(row, mapping), columns: scoresOf(row, mapping) };
  const empty = isSame(...answers) ? { empty: 'equal_answers' as const } : {};
  if (apart) return { ...plain(row, 'thumb'), prompt, answers, labels: [true, false], ...empty };
  return { ...plain(row, 'pair'), prompt, answers, ranks: [0, 1], ...said, ...empty };
}

function ownPair(row: Row, mapping: Mapping, { chosen, rejected }: { chosen: string; rejected: string }): Pair {
  const prompt = mapRow(row, mapping);
  return { prompt, answers: [filledAnswer(chosen, prompt, 'chosen'), filledAnswer(rejected, prompt, 'rejected')] };
}

const filledAnswer = (template: string, { fields }: ShapedRow, field: string): Answer => ({
  text: filled(template, fields, true)
    .map(({ text }) => text)
    .join(''),
  field,
});

/** Wherever a row has one it counts; a file whose first row has one needs it in every row. */
function marginOf(row: Row, mapping: Mapping): number {
  const value = mapping.answers.margin === undefined ? row.value.margin : columnValue(row, mapping, 'margin');
  return value === undefined || value === null ? 0 : numberOf(value, 'margin', row);
}

const scoresOf = ({ value }: Row, { answers: { score_chosen: better = '', score_rejected: worse = '' } }: Mapping) =>
  better === '' || worse === '' ? {} : { score_chosen: plainValue(value[better]), score_rejected: plainValue(value[worse]) };

function rankingRow(row: Row, mapping: Mapping): UnitRow {
  const { answers, ranks, isEqual } = rankingOf(row, mapping);
  const empty = ranks.every((rank) => rank === 0) ? { empty: 'ties' as const } : isEqual ? { empty: 'equal_answers' as const } : {};
  return { ...plain(row, 'ranking'), prompt: mapRow(row, mapping), answers, ranks, ...empty };
}

function thumbRow(row: Row, mapping: Mapping, { own }: UnitRules): UnitRow {
  const { completion, response = completion, label = 'label' } = mapping.answers;
  const shaped = mapRow(row, mapping);
  const said = { ...plain(row, 'thumb'), labels: [booleanOf(columnValue(row, mapping, label), label, row)] };
  if (own !== undefined && 'completion' in own)
    return { ...said, prompt: shaped, answers: [filledAnswer(own.completion, shaped, 'completion')] };
  if (response !== undefined) return { ...said, prompt: shaped, answers: [answerIn(row, mapping, response)] };
  const message = lastMessage(row, shaped, 'assistant');
  const field = `messages[${(shaped.messages?.length ?? 0) - 1}].content`;
  const prompt = { ...shaped, messages: shaped.messages?.slice(0, -1) ?? [] };
  return { ...said, prompt, answers: [{ text: contentText(message), field, messages: [message] }] };
}

function promptRow(row: Row, mapping: Mapping): UnitRow {
  const prompt = mapRow(row, mapping);
  if (prompt.messages !== undefined) lastMessage(row, prompt, 'user', 'tool');
  return { ...plain(row, 'prompt'), prompt, answers: [], columns: plainValue(row.value) as Record<string, unknown> };
}

/** The last message of a chat. @throws DataError `bad_message` where it is of another role */
function lastMessage(row: Row, { messages = [] }: ShapedRow, ...roles: string[]): ChatMessage {
  const message = messages.at(-1);
  if (message !== undefined && roles.includes(message.role)) return message;
  throw new DataError(
    'bad_message',
    `the last message must be of the role ${roles.join(' or ')}, not ${message?.role ?? 'missing'}`,
    origin(row),
  );
}
