/** Columns that some reader knows, and the reader of this file does not take. */
import { CHAT_COLUMNS, isEmpty } from '../rows/chat_columns.js';
import type { Kind } from '../rows/kinds.js';
import type { Mapping } from '../rows/mapping.js';
import type { Row } from '../types.js';
import { type OwnTemplate, parseTemplate } from './template.js';

/** Columns with a meaning in some kind or shape of rows, here or in the field's other tools. */
const KNOWN = [
  ...['text', 'prompt', 'completion', 'instruction', 'context', 'input', 'response', 'output', 'messages', 'conversations'],
  ...['chosen', 'rejected', 'margin', 'score_chosen', 'score_rejected', 'answers', 'ranking', 'completions', 'labels', 'label', 'kto_tag'],
  ...['functions', 'weight', 'image', 'images', 'videos', 'audios'],
  ...CHAT_COLUMNS,
];

export interface ColumnRules {
  mapping: Mapping;
  isChat: boolean;
  own?: OwnTemplate | undefined;
}

/** Known columns of a row that hold something and are not read. */
export function unusedColumns(row: Row, rules: ColumnRules): string[] {
  const used = usedColumns(rules);
  return knownOf(rules).filter((name) => !used.has(name) && Object.hasOwn(row.value, name) && !isEmpty(row.value[name]));
}

/** Of prompts all columns go to the reward functions, but those of a chat belong into the prompt. A thumb that is not read has a warning of its own. */
function knownOf({ mapping: { kind } }: ColumnRules): readonly string[] {
  if (kind === 'prompts') return CHAT_COLUMNS;
  return kind === 'rows' ? KNOWN.filter((name) => name !== 'label' && name !== 'kto_tag') : KNOWN;
}

function usedColumns({ mapping: { kind, shape, columns, answers }, isChat, own }: ColumnRules): Set<string> {
  const parts = own === undefined ? [] : Object.values(own).flatMap(parseTemplate);
  return new Set([
    ...Object.values(columns),
    ...Object.values(answers),
    ...(isChat ? CHAT_COLUMNS : []),
    ...(ANY_ROW[kind] ?? []),
    ...(shape === 'instruction' ? ['context', 'input'] : []),
    ...parts.flatMap((part) => ('placeholder' in part ? [part.placeholder] : [])),
  ]);
}

/** Columns that are read in every row that has them, whatever the file's first row has. */
const ANY_ROW: Partial<Record<Kind, readonly string[]>> = {
  pairs: ['margin', 'score_chosen', 'score_rejected'],
  rankings: ['answers', 'ranking'],
};
