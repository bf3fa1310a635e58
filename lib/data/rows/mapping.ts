/** Which kind and shape a file's rows have, seen from the columns of its first row. */

import type { Row } from '../types.js';
import { type Accepts, KINDS, type Kind, ROWS_ALONE, wrongColumns } from './kinds.js';

/** How a row, or the prompt of one, is written. `common`: the prompt is what chosen and rejected begin with. `columns`: a template of one's own. */
export type Shape = 'text' | 'prompt' | 'instruction' | 'messages' | 'conversations' | 'common' | 'columns';

/** What a file's rows are, and which of its columns stands for which field. */
export interface Mapping {
  kind: Kind;
  shape: Shape;
  /** Our name of a field of the row, or of its prompt → the file's column. */
  columns: Record<string, string>;
  /** The same for the fields beside the prompt: answers, and what is said of them. */
  answers: Record<string, string>;
}

/** Names of one field in different data sets. */
const ALIASES: readonly (readonly string[])[] = [
  ['response', 'output'],
  ['context', 'input'],
  ['label', 'kto_tag'],
];

interface Needs {
  shape: Shape;
  needs: readonly string[];
}

const ROW_SHAPES: readonly Needs[] = [
  { shape: 'messages', needs: ['messages'] },
  { shape: 'conversations', needs: ['conversations'] },
  { shape: 'prompt', needs: ['prompt', 'completion'] },
  { shape: 'instruction', needs: ['instruction', 'response'] },
  { shape: 'text', needs: ['text'] },
];

/** A prompt goes before messages: data sets of pairs hold the whole chat of the chosen answer beside it. */
const PROMPT_SHAPES: readonly Needs[] = [
  { shape: 'prompt', needs: ['prompt'] },
  { shape: 'instruction', needs: ['instruction'] },
  { shape: 'messages', needs: ['messages'] },
  { shape: 'conversations', needs: ['conversations'] },
];

/** Columns beside the prompt that make a row of a kind: one of these lists. */
const ANSWERS: Record<Exclude<Kind, 'rows'>, readonly (readonly string[])[]> = {
  pairs: [['chosen', 'rejected']],
  rankings: [['answers'], ['ranking']],
  thumbs: [['completion', 'label'], ['response', 'label'], ['label']],
  prompts: [[]],
};

/** Columns that a kind takes where they are there. */
const BESIDE: Partial<Record<Kind, readonly string[]>> = { pairs: ['margin', 'score_chosen', 'score_rejected'] };

/** The kind and shape of the rows that begin with `row`. @throws DataError `wrong_kind`, `unknown_columns` */
export function detectMapping(row: Row, accepts: Accepts = ROWS_ALONE): Mapping {
  for (const kind of accepts.kinds) {
    const mapping = mappingOf(row, kind);
    if (mapping !== undefined) return mapping;
  }
  throw wrongColumns(row, accepts, fittingKinds(row));
}

/** Kinds that the row's columns make. */
const fittingKinds = (row: Row) => KINDS.filter((kind) => mappingOf(row, kind) !== undefined);

function mappingOf(row: Row, kind: Kind): Mapping | undefined {
  if (kind === 'rows') return rowMapping(row);
  const answers = answerColumns(row, kind);
  if (answers === undefined) return undefined;
  if (kind === 'pairs' && holdsChats(row, answers)) return { kind, shape: 'messages', columns: columnsOf(row, ['prompt']), answers };
  const prompt = promptMapping(row);
  if (prompt === undefined) return kind === 'pairs' ? { kind, shape: 'common', columns: {}, answers } : undefined;
  const needsAnswer = kind === 'thumbs' && answers.completion === undefined && answers.response === undefined;
  if (needsAnswer && prompt.shape !== 'messages' && prompt.shape !== 'conversations') return undefined;
  return { kind, ...prompt, answers };
}

function rowMapping(row: Row): Mapping | undefined {
  const found = ROW_SHAPES.find(({ needs }) => hasAll(row, needs));
  if (found === undefined) return undefined;
  const { shape, needs } = found;
  if (shape === 'prompt' && Array.isArray(row.value.prompt))
    return { kind: 'rows', shape: 'messages', columns: { messages: 'prompt', completion: 'completion' }, answers: {} };
  return { kind: 'rows', shape, columns: columnsOf(row, shape === 'instruction' ? [...needs, 'context'] : needs), answers: {} };
}

/** Columns of the answers and what is said of them, or undefined where the row has none of this kind. */
export function answerColumns(row: Row, kind: Exclude<Kind, 'rows'>): Record<string, string> | undefined {
  const needs = ANSWERS[kind].find((fields) => hasAll(row, fields));
  return needs === undefined ? undefined : columnsOf(row, [...needs, ...(BESIDE[kind] ?? [])]);
}

/** Whether chosen is a whole chat: several messages, or one with no prompt beside it. */
function holdsChats({ value }: Row, { chosen = 'chosen' }: Record<string, string>): boolean {
  const list = value[chosen];
  return Array.isArray(list) && (list.length > 1 || !PROMPT_SHAPES.some(({ needs: [field = ''] }) => Object.hasOwn(value, field)));
}

function promptMapping(row: Row): Pick<Mapping, 'shape' | 'columns'> | undefined {
  const found = PROMPT_SHAPES.find(({ needs }) => hasAll(row, needs));
  if (found === undefined) return undefined;
  const { shape, needs } = found;
  if (shape === 'prompt' && Array.isArray(row.value.prompt)) return { shape: 'messages', columns: { messages: 'prompt' } };
  return { shape, columns: columnsOf(row, shape === 'instruction' ? [...needs, 'context'] : needs) };
}

/** The columns for a template's placeholders, and the placeholders that are no column of the row. */
export function placeholderColumns(row: Row, placeholders: readonly string[]): { columns: Record<string, string>; unknown: string[] } {
  return { columns: columnsOf(row, placeholders), unknown: placeholders.filter((name) => columnOf(row, name) === undefined) };
}

const hasAll = (row: Row, fields: readonly string[]) => fields.every((field) => columnOf(row, field) !== undefined);

function columnsOf(row: Row, fields: readonly string[]): Record<string, string> {
  const named = fields.map((field) => [field, columnOf(row, field)]);
  return Object.fromEntries(named.filter(([, column]) => column !== undefined));
}

/** The column of `row` that holds a field, under its own name or another of the field's names. */
export function columnOf({ value }: Row, field: string): string | undefined {
  const others = ALIASES.find((names) => names.includes(field)) ?? [];
  return [field, ...others].find((name) => Object.hasOwn(value, name));
}
