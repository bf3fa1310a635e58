/** Files to tokens: every row read, mapped, encoded, checked, cut and counted. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type AttuneError, DataError, type ErrorPlace } from '../errors/index.js';
import type { Checks, DataSource, Template } from '../options/index.js';
import { Collector } from './collect.js';
import type { Overlong } from './cut.js';
import { type Encoded, type EncodeRules, encodeExamples } from './encode.js';
import { type Bundle, type FileMapping, mappedExamples } from './examples.js';
import type { Accepts } from './kinds.js';
import { withSteps } from './stepwise.js';
import type { ChatRenderer, RowTokenizer, Tokens } from './types.js';

/** The recipe's checks; the later ones may be left out and are then errors. */
export type RowChecks = Omit<Checks, 'equalAnswers'> & Partial<Pick<Checks, 'equalAnswers'>>;

export interface DatasetOptions {
  /** Files with absolute paths, as a parsed recipe has them. */
  data: readonly DataSource[];
  tokenizer: RowTokenizer;
  /** The model's chat template, where it has one. */
  chat?: ChatRenderer | undefined;
  template: Template;
  /** Kinds of rows that the method takes. Default: rows, each by itself. */
  accepts?: Accepts | undefined;
  /** `all` trains every token (pretrain), `answers` the answers and their end tokens (sft). */
  trained: EncodeRules['trained'];
  checks: RowChecks;
  /** Longest sequence in tokens; Infinity for no limit. */
  maxLength: number;
  overlong: Overlong;
  /** Which documents get an end token. Default `always`, as training wants it. */
  end?: EncodeRules['end'];
  /** What `rowsPerStep` counts of a ranking: its pairs, or 1 where the method takes it whole. Default `pairs`. */
  rankings?: 'pairs' | 'whole';
  /** Whether thumbs may all point the same way, as rows to evaluate on may. Default `error`. */
  oneKind?: 'error' | 'keep';
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
  /** Rows left out, by reason: `overlong`, `nothing_trained`, `no_stop`, `double_bos`, `ties`, `equal_answers`, `equal_when_cut`. */
  dropped: Record<string, number>;
  /** Rows cut into pieces, and rows cut off. */
  split: number;
  truncated: number;
  /** Sequences that the kept rows came to. */
  pieces: number;
  /** What they came to where they are more than rows: `pairs`, `rankings`, `up`, `down`, `prompts`, `stepwise`. */
  units?: Record<string, number>;
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
  let batch: Bundle[] = [];
  const encodeBatch = async () => {
    options.signal?.throwIfAborted();
    for (const [n, encoded] of (await encodeBundles(batch, options)).entries()) collector.add(batch[n] as Bundle, encoded);
    batch = [];
    await yieldToEventLoop();
  };
  for await (const one of mappedExamples(options, dataset)) if (batch.push(one) === BATCH) await encodeBatch();
  await encodeBatch();
  if (dataset.sequences.length === 0) throw nothingLeft(counts, options);
  collector.finish();
  return dataset;
}

/** The encoded sequences of each row. */
async function encodeBundles(bundles: readonly Bundle[], { tokenizer, trained, end = 'always' }: DatasetOptions): Promise<Encoded[][]> {
  const examples = bundles.flatMap((bundle) => bundle.examples);
  const whole = await encodeExamples(examples, tokenizer, { trained, end });
  let next = 0;
  const encoded = bundles.map((bundle) => {
    const first = next;
    next += bundle.examples.length;
    return withSteps(bundle, whole.slice(first, next), tokenizer);
  });
  return Promise.all(encoded);
}

function nothingLeft({ in: rows, dropped }: Counts, { data }: DatasetOptions): AttuneError {
  const reasons = Object.entries(dropped).map(([reason, n]) => `${reason} ${n}`);
  const long = dropped.overlong || dropped.nothing_trained || dropped.equal_when_cut;
  const advice = long ? 'raise train.maxLength, or look at the rows with attune preview' : 'look at the rows with attune preview';
  const left = dropped.nothing_trained ? 'has a trained token left' : 'is left';
  const message = `nothing to train on: of ${rows} rows none ${left} (dropped: ${reasons.join(', ')}); ${advice}`;
  return new DataError('nothing_trained', message, { file: data[0]?.path ?? '' });
}
