/** Values of rows: how messages name them, and which texts are refused. */
import { DataError } from '../../errors/index.js';
import { Float } from '../../json/index.js';
import type { Origin } from '../types.js';

/** Whether a value is a number of any kind that files hold. */
export const isNumber = (value: unknown): value is number | bigint | Float =>
  typeof value === 'number' || typeof value === 'bigint' || value instanceof Float;

/** The kind of a JSON value, for messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  if (isNumber(value) || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A text is refused when it holds half a character: it has no UTF-8, and would be changed in silence. */
export function wellFormed(text: string, field: string, { file, line }: Origin): string {
  if (!/\p{Surrogate}/u.test(text)) return text;
  throw new DataError('half_character', `${field} holds half of a surrogate pair (an escape like \\ud83d alone)`, { file, line });
}

/** Tables hold texts alone: there a number or true and false are read from text. */
const isTable = (file: string) => /\.(csv|tsv)(\.gz)?$/i.test(file);

/** A finite number. @throws DataError `no_number` */
export function numberOf(value: unknown, field: string, { file, line }: Origin): number {
  const read = typeof value === 'string' && isTable(file) && value.trim() !== '' ? Number(value) : value;
  if (isNumber(read) && Number.isFinite(Number(read))) return Number(read);
  throw new DataError('no_number', `${field} must be a number, not ${shown(value)}`, { file, line });
}

/** True or false. @throws DataError `no_boolean` */
export function booleanOf(value: unknown, field: string, { file, line }: Origin): boolean {
  const word = typeof value === 'string' && isTable(file) ? value.trim().toLowerCase() : '';
  if (word === 'true' || word === 'false') return word === 'true';
  if (typeof value === 'boolean') return value;
  throw new DataError('no_boolean', `${field} must be true or false, not ${shown(value)}`, { file, line });
}

const shown = (value: unknown) =>
  typeof value === 'string' ? `the text ${JSON.stringify(value.slice(0, 40))}` : value === undefined ? 'missing' : kindOf(value);
