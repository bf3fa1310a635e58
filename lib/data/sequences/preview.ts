/** What `attune preview` shows: rows as the model will see them, the trained part marked. */
import { createColors } from 'picocolors';
import type { Origin, RowTokenizer, Tokens, Warning } from '../types.js';
import type { Counts, Dataset } from './dataset.js';
import { describeMapped } from './examples.js';
import { rankedPairs, unitStarts } from './units.js';

/** One sequence of the preview, as `--json` gives it. */
export interface PreviewRow {
  ids: number[];
  /** Each id as text. */
  tokens: string[];
  /** 1 where the model learns to produce the token. */
  trained: number[];
  /** Of hidden tokens: the id that was there, -1 where nothing is predicted. */
  targets?: number[];
  /** Of tokens that do not stand in the order of their text: the place of each in it. */
  positions?: number[];
  /** The whole row's text, all its fields and the template's words. */
  text: string;
  /** What the sequence is in its row, where it is not simply the row. */
  role?: Role;
  source: Origin;
}

export type Role = 'chosen' | 'rejected' | 'up' | 'down' | 'prompt' | 'steps';

export interface Preview {
  rows: PreviewRow[];
  counts: Counts;
  /** What is remarkable about the rows, all of them. */
  warnings: Warning[];
}

/** The first `count` rows of a data set that kept the texts of as many; a pair is two rows, chosen first, and is not cut apart. */
export function previewRows(dataset: Dataset, tokenizer: RowTokenizer, count: number): Preview {
  const rows = shownRows(dataset.sequences, count).map(({ sequence: { ids, trained, targets, layout, text = '', file, line }, role }) => ({
    ids: [...ids],
    tokens: Array.from(ids, (id) => tokenizer.tokenText(id)),
    trained: [...trained],
    ...(targets && { targets: [...targets] }),
    ...(layout && { positions: [...layout.positions] }),
    text,
    ...(role === undefined ? {} : { role }),
    source: { file, line },
  }));
  return { rows, counts: dataset.counts, warnings: dataset.warnings };
}

interface ShownRow {
  sequence: Tokens;
  role?: Role | undefined;
}

/** Sequences as they are shown: pairs and rankings as their pairs. */
function shownRows(sequences: readonly Tokens[], count: number): ShownRow[] {
  const shown: ShownRow[] = [];
  const starts = unitStarts(sequences);
  for (let unit = 0; unit + 1 < starts.length && shown.length < count; unit++) {
    const members = sequences.slice(starts[unit], starts[unit + 1]);
    const pairs = rankedPairs(members[0]?.unit?.ranks ?? []);
    for (const [better, worse] of pairs.slice(0, Math.ceil((count - shown.length) / 2)))
      shown.push({ sequence: members[better] as Tokens, role: 'chosen' }, { sequence: members[worse] as Tokens, role: 'rejected' });
    if (pairs.length === 0) for (const sequence of members) shown.push({ sequence, role: roleOf(sequence) });
  }
  return shown;
}

function roleOf({ unit }: Tokens): Role | undefined {
  if (unit === undefined) return undefined;
  if (unit.kind === 'thumb') return unit.label === true ? 'up' : 'down';
  return unit.kind === 'prompt' ? 'prompt' : 'steps';
}

/** The preview for a terminal: trained stretches in green and underlined; without colours they stand in ⟦ ⟧. */
export function renderPreview(dataset: Dataset, tokenizer: RowTokenizer, count: number, colours: boolean): string {
  const rows = shownRows(dataset.sequences, count).map((row) => renderRow(row, tokenizer, colours));
  const warnings = dataset.warnings.map(({ message }) => `warning: ${message}`);
  return [...dataset.mappings.map(describeMapped), '', ...rows, ...warnings, describeCounts(dataset.counts)].join('\n');
}

function renderRow({ sequence, role }: ShownRow, tokenizer: RowTokenizer, colours: boolean): string {
  const { ids, trained, targets, trainedTokens, file, line } = sequence;
  const { bold, dim, green, underline } = createColors(colours);
  const mark = (text: string) => (colours ? green(underline(text)) : `⟦${text}⟧`);
  // Decoded from the start each time: alone, a stretch would lose the space that some tokenizers strip from a text's beginning.
  const upTo = (end: number) => tokenizer.decode(ids.subarray(0, end));
  const body = stretches(trained).map(({ start, end, on }) => {
    const seen = upTo(end).slice(upTo(start).length);
    const text = visible(on && targets !== undefined ? `${seen} ← ${tokenizer.decode(targets.subarray(start, end))}` : seen);
    // Styles end before a line end, so that a pager that cuts lines keeps them apart.
    return on
      ? text
          .split('\n')
          .map((part) => (part === '' ? '' : mark(part)))
          .join('\n')
      : text;
  });
  const what = role === undefined ? '' : `${role}, `;
  return `${bold(`${file}:${line}`)} ${dim(`${what}${ids.length} tokens, ${trainedTokens} trained`)}\n${body.join('')}\n`;
}

/** Control characters but for line ends and tabs would act on the terminal: they are shown as symbols (U+2400 …). */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => {
    const code = c.charCodeAt(0);
    if (c === '\n' || c === '\t') return c;
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/** Runs of equal flags. */
function stretches(flags: Uint8Array): { start: number; end: number; on: boolean }[] {
  const runs: { start: number; end: number; on: boolean }[] = [];
  for (let start = 0; start < flags.length; ) {
    let end = start + 1;
    while (end < flags.length && flags[end] === flags[start]) end++;
    runs.push({ start, end, on: flags[start] === 1 });
    start = end;
  }
  return runs;
}

/** `600 rows, 598 kept (1 split into pieces); dropped: overlong 2. 600 sequences, 81,234 tokens, 40,117 trained.` */
export function describeCounts(counts: Counts): string {
  const number = (n: number) => n.toLocaleString('en-US');
  const cut = [
    counts.split > 0 ? `${number(counts.split)} split into pieces` : '',
    counts.truncated > 0 ? `${number(counts.truncated)} cut off` : '',
  ];
  const notes = cut.filter((note) => note !== '').join(', ');
  const dropped = Object.entries(counts.dropped).map(([reason, n]) => `${reason.replaceAll('_', ' ')} ${number(n)}`);
  const lost = dropped.length === 0 ? '' : `; dropped: ${dropped.join(', ')}`;
  const rows = `${number(counts.in)} rows, ${number(counts.kept)} kept${notes === '' ? '' : ` (${notes})`}${lost}.`;
  const units = Object.entries(counts.units ?? {}).map(([what, n]) => `${number(n)} ${UNIT_WORDS[what] ?? what}, `);
  return `${rows} ${units.join('')}${number(counts.pieces)} sequences, ${number(counts.tokens)} tokens, ${number(counts.trainedTokens)} trained.`;
}

const UNIT_WORDS: Record<string, string> = { up: 'thumbs up', down: 'thumbs down' };
