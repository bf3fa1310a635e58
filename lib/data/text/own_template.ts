/** Templates that are written out in the recipe: the kind of rows that they make, and the columns that they take. */
import { type ErrorPlace, nearest, RequestError } from '../../errors/index.js';
import type { Accepts, Kind } from '../rows/kinds.js';
import { answerColumns, type Mapping, placeholderColumns } from '../rows/mapping.js';
import type { Row } from '../types.js';
import { type OwnTemplate, parseTemplate } from './template.js';

/**
 * How rows are read for a template of one's own.
 * @param place of the template in the recipe
 * @throws RequestError `unknown_placeholder`, `template_mismatch`
 */
export function ownMapping(row: Row, template: OwnTemplate, accepts: Accepts, place: ErrorPlace): Mapping {
  const kind = kindOfTemplate(row, template, accepts, place);
  const { columns, unknown } = placeholderColumns(row, placeholdersOf(template, kind));
  const [first] = unknown;
  if (first !== undefined) throw unknownPlaceholder(first, row, place);
  return { kind, shape: 'columns', columns, answers: kind === 'rows' ? {} : answersBeside(row, template, kind) };
}

/** Names in braces, each once. Of a template with an answer, prompts need the prompt alone. */
function placeholdersOf(template: OwnTemplate, kind: Kind = 'rows'): string[] {
  const used = kind === 'prompts' && 'prompt' in template ? [template.prompt] : Object.values(template);
  const parts = used.flatMap(parseTemplate);
  return [...new Set(parts.flatMap((part) => ('placeholder' in part ? [part.placeholder] : [])))];
}

/** Kinds that a template can make, the first choice first. */
function possibleKinds(template: OwnTemplate): readonly Kind[] {
  if ('text' in template) return ['rows'];
  if ('chosen' in template) return ['pairs'];
  return 'completion' in template ? ['rows', 'thumbs', 'prompts'] : ['pairs', 'rankings', 'thumbs', 'prompts'];
}

function kindOfTemplate(row: Row, template: OwnTemplate, accepts: Accepts, place: ErrorPlace): Kind {
  const possible = possibleKinds(template);
  const hasAnswers = (kind: Kind) => kind === 'rows' || 'completion' in template || 'chosen' in template || answerColumns(row, kind);
  const kind = possible.find((one) => accepts.kinds.includes(one) && hasAnswers(one));
  if (kind !== undefined) return kind;
  const keys = `{ ${Object.keys(template).join(', ')} }`;
  const { method = 'the command', kinds } = accepts;
  const message = `template: ${keys} makes ${possible.join(', ')}, and ${method} takes ${kinds.join(', ')}; ${ADVICE[kinds[0] ?? 'rows']}`;
  throw new RequestError('template_mismatch', message, place);
}

const ADVICE: Record<Kind, string> = {
  rows: 'give { prompt, completion } or { text }',
  pairs: 'give { prompt, chosen, rejected }, or { prompt } to rows with the columns chosen and rejected',
  rankings: 'give { prompt } to rows with a column answers or ranking',
  thumbs: 'give { prompt, completion } to rows with a column label',
  prompts: 'give { prompt }',
};

/** What the template does not make is taken from the columns of that name. */
function answersBeside(row: Row, template: OwnTemplate, kind: Exclude<Kind, 'rows'>): Record<string, string> {
  const found = answerColumns(row, kind) ?? {};
  const { chosen: _chosen, rejected: _rejected, ...said } = found;
  return 'chosen' in template ? said : found;
}

/** The refusal of a placeholder that is no column. */
function unknownPlaceholder(name: string, { file, value }: Row, place: ErrorPlace): RequestError {
  const columns = Object.keys(value);
  const guess = nearest(name, columns);
  const hint = guess === undefined ? '' : `; did you mean {${guess}}?`;
  const message = `template: {${name}} is no column of ${file}; its columns are ${columns.join(', ')}${hint}`;
  return new RequestError('unknown_placeholder', message, place);
}
