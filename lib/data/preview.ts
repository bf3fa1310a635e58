/** What `attune preview` shows: rows as the model will see them, the trained part marked. */
import { createColors } from 'picocolors';
import type { Counts, Dataset } from './dataset.js';
import { describeMapped } from './examples.js';
import type { Origin, RowTokenizer, Tokens } from './types.js';

/** One sequence of the preview, as `--json` gives it. */
export interface PreviewRow {
  ids: number[];
  /** Each id as text. */
  tokens: string[];
  /** 1 where the model learns to produce the token. */
  trained: number[];
  /** The whole row's text, all its fields and the template's words. */
  text: string;
  source: Origin;
}

export interface Preview {
  rows: PreviewRow[];
  counts: Counts;
}

/** The first `count` sequences of a data set that kept the texts of as many. */
export function previewRows(dataset: Dataset, tokenizer: RowTokenizer, count: number): Preview {
  const rows = dataset.sequences.slice(0, count).map(({ ids, trained, text = '', file, line }) => ({
    ids: [...ids],
    tokens: Array.from(ids, (id) => tokenizer.tokenText(id)),
    trained: [...trained],
    text,
    source: { file, line },
  }));
  return { rows, counts: dataset.counts };
}

/** The preview for a terminal: trained stretches in green and underlined; without colours they stand in ⟦ ⟧. */
export function renderPreview(dataset: Dataset, tokenizer: RowTokenizer, count: number, colours: boolean): string {
  const sequences = dataset.sequences.slice(0, count).map((sequence) => renderRow(sequence, tokenizer, colours));
  return [...dataset.mappings.map(describeMapped), '', ...sequences, describeCounts(dataset.counts)].join('\n');
}

function renderRow({ ids, trained, trainedTokens, file, line }: Tokens, tokenizer: RowTokenizer, colours: boolean): string {
  const { bold, dim, green, underline } = createColors(colours);
  const mark = (text: string) => (colours ? green(underline(text)) : `⟦${text}⟧`);
  // Decoded from the start each time: alone, a stretch would lose the space that some tokenizers strip from a text's beginning.
  const upTo = (end: number) => tokenizer.decode(ids.subarray(0, end));
  const body = stretches(trained).map(({ start, end, on }) => {
    const text = visible(upTo(end).slice(upTo(start).length));
    // Styles end before a line end, so that a pager that cuts lines keeps them apart.
    return on
      ? text
          .split('\n')
          .map((part) => (part === '' ? '' : mark(part)))
          .join('\n')
      : text;
  });
  return `${bold(`${file}:${line}`)} ${dim(`${ids.length} tokens, ${trainedTokens} trained`)}\n${body.join('')}\n`;
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
  return `${rows} ${number(counts.pieces)} sequences, ${number(counts.tokens)} tokens, ${number(counts.trainedTokens)} trained.`;
}
