/** Figures by which rows are held out: from what they say, so that a row stays on its side whatever its company. */
import { createHash } from 'node:crypto';
import { contentText } from '../rows/content.js';
import type { UnitRow } from '../text/unit_rows.js';
import type { Example, Segment } from '../types.js';
import type { Bundle } from './bundle.js';

/** A figure in [0, 1) from the row's own words, or its prompt's: rows that ask the same are never on both sides of a split. */
export function shareOf({ examples, unit }: Bundle): number {
  const asked = unit === undefined ? [] : promptTexts(unit);
  return hashed(asked.some((text) => text !== '') ? asked : examples.flatMap(ownTexts));
}

function promptTexts({ prompt }: UnitRow): string[] {
  return prompt.messages?.map(contentText) ?? Object.values(prompt.fields).map(({ text }) => text);
}

function ownTexts({ segments }: Example): string[] {
  const own = segments.filter(({ field }: Segment) => field !== 'template');
  return (own.length > 0 ? own : segments).map(({ text }) => text);
}

function hashed(texts: readonly string[]): number {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  return hash.digest().readUIntBE(0, 6) / 2 ** 48;
}
