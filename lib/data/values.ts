/** Values of rows: how messages name them, and which texts are refused. */
import { DataError } from '../errors/index.js';
import type { Origin } from './types.js';

/** The kind of a JSON value, for messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A text is refused when it holds half a character: it has no UTF-8, and would be changed in silence. */
export function wellFormed(text: string, field: string, { file, line }: Origin): string {
  if (!/\p{Surrogate}/u.test(text)) return text;
  throw new DataError('half_character', `${field} holds half of a surrogate pair (an escape like \\ud83d alone)`, { file, line });
}
