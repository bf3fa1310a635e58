/** All data of a recipe as tokens: what is asked for, and what it came to. */
import type { ErrorPlace } from '../../errors/index.js';
import type { Checks, DataSource, Template } from '../../options/index.js';
import type { Accepts } from '../rows/kinds.js';
import type { RoleMap } from '../rows/roles.js';
import type { ChatRenderer, RowTokenizer, Tokens, Warning } from '../types.js';
import type { FileMapping } from './bundle.js';
import type { Overlong } from './cut.js';
import type { EncodeRules } from './encode.js';

/** The recipe's checks; the later ones may be left out and are then errors. */
export type RowChecks = Omit<Checks, 'equalAnswers' | 'refusedChat'> & Partial<Pick<Checks, 'equalAnswers' | 'refusedChat'>>;

export interface DatasetOptions {
  /** Files with absolute paths, as a parsed recipe has them. */
  data: readonly DataSource[];
  tokenizer: RowTokenizer;
  /** The model's chat template, where it has one. */
  chat?: ChatRenderer | undefined;
  template: Template;
  /** Roles of messages beside those that are known: name in the data → name for the chat template. */
  roles?: RoleMap | undefined;
  /** Kinds of rows that the method takes. Default: rows, each by itself. */
  accepts?: Accepts | undefined;
  /** `all` trains every token (pretrain), `answers` the answers and their end tokens (sft). */
  trained: EncodeRules['trained'];
  checks: RowChecks;
  /** Longest sequence in tokens; Infinity for no limit. */
  maxLength: number;
  overlong: Overlong;
  /** Whether each piece of a row has begin and end token of its own, as encoders read them around every text. Default: pieces lie end to end. */
  framed?: boolean;
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
  /** Rows left out, by reason: `overlong`, `nothing_trained`, `no_stop`, `double_bos`, `ties`, `equal_answers`, `equal_when_cut`, `refused_chat`. */
  dropped: Record<string, number>;
  /** Rows cut into pieces, and rows cut off. */
  split: number;
  truncated: number;
  /** Sequences that the kept rows came to. */
  pieces: number;
  /** What they came to where they are more than rows: `pairs`, `rankings`, `up`, `down`, `prompts`. */
  units?: Record<string, number>;
  tokens: number;
  trainedTokens: number;
}

export interface Dataset {
  sequences: Tokens[];
  sources: readonly DataSource[];
  counts: Counts;
  /** How each file's columns were understood. */
  mappings: FileMapping[];
  warnings: Warning[];
}
