/** Files to tokens: every row read, mapped, encoded, checked, cut and counted. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type AttuneError, DataError, type ErrorPlace } from '../errors/index.js';
import type { Checks, DataSource, Template } from '../options/index.js';
import { Collector } from './collect.js';
import type { Overlong } from './cut.js';
import { type EncodeRules, encodeExamples } from './encode.js';
import { type FileMapping, mappedExamples, type SourcedExample } from './examples.js';
import type { ChatRenderer, RowTokenizer, Tokens } from './types.js';

export interface DatasetOptions {
  /** Files with absolute paths, as a parsed recipe has them. */
  data: readonly DataSource[];
  tokenizer: RowTokenizer;
  /** The model's chat template, where it has one. */
  chat?: ChatRenderer | undefined;
  template: Template;
  /** `all` trains every token (pretrain), `answers` the answers and their end tokens (sft). */
  trained: EncodeRules['trained'];
  checks: Checks;
  /** Longest sequence in tokens; Infinity for no limit. */
  maxLength: number;
  overlong: Overlong;
  /** Which documents get an end token. Default `always`, as training wants it. */
  end?: EncodeRules['end'];
  /** Number of sequences whose text is kept, for previews. Default 0. */
  keepText?: number;
  /** Place of a key of the recipe, for faults that lie there. */
  place?: (key: string) => ErrorPlace;
  signal?: AbortSignal;
}

/** Rows of the files, not pieces, but for `pieces`. */
export interface Counts {
  in: number;
  kept: number;
  /** Rows left out, by reason: `overlong`, `nothing_trained`, `no_stop`, `double_bos`. */
  dropped: Record<string, number>;
  /** Rows cut into pieces, and rows cut off. */
  split: number;
  truncated: number;
  /** Sequences that the kept rows came to. */
  pieces: number;
  tokens: number;
  trainedTokens: number;
}

/** A remark that is no fault, for the report and a warning event. */
export interface Warning {
  code: string;
  message: string;
}

export interface Dataset {
  sequences: Tokens[];
  sources: readonly DataSource[];
  counts: Counts;
  /** How each file's columns were understood. */
  mappings: FileMapping[];
  warnings: Warning[];
}

/** Rows encoded at once: enough for the tokenizer's threads, few enough that timers and signals are heard. */
const BATCH = 64;

/**
 * Reads all data of a recipe.
 * @throws DataError with file and line for the first row that is wrong; `nothing_trained` where no row is left
 */
export async function loadDataset(options: DatasetOptions): Promise<Dataset> {
  const counts: Counts = { in: 0, kept: 0, dropped: {}, split: 0, truncated: 0, pieces: 0, tokens: 0, trainedTokens: 0 };
  const dataset: Dataset = { sequences: [], sources: options.data, counts, mappings: [], warnings: [] };
  const collector = new Collector(dataset, options);
  let batch: SourcedExample[] = [];
  const encodeBatch = async () => {
    options.signal?.throwIfAborted();
    const { tokenizer, trained, end = 'always' } = options;
    const rows = await encodeExamples(
      batch.map(({ example }) => example),
      tokenizer,
      { trained, end },
    );
    for (const [n, row] of rows.entries()) collector.add(batch[n] as SourcedExample, row);
    batch = [];
    await yieldToEventLoop();
  };
  for await (const one of mappedExamples(options, dataset.mappings)) if (batch.push(one) === BATCH) await encodeBatch();
  await encodeBatch();
  if (dataset.sequences.length === 0) throw nothingLeft(counts, options);
  collector.finish();
  return dataset;
}

function nothingLeft({ in: rows, dropped }: Counts, { data }: DatasetOptions): AttuneError {
  const reasons = Object.entries(dropped).map(([reason, n]) => `${reason} ${n}`);
  const message = `nothing to train on: of ${rows} rows none has a trained token left (dropped: ${reasons.join(', ')}); raise train.maxLength, or look at the rows with attune preview`;
  return new DataError('nothing_trained', message, { file: data[0]?.path ?? '' });
}
