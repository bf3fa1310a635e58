/**
 * The nouns of the walk of one row: file → Row → Example → Tokens → PackedBatch.
 * Symbols: N tokens of a batch, S sequences of a batch.
 */

/** Where something came from, for messages and previews. */
export interface Origin {
  /** Absolute path of the file. */
  file: string;
  /** Line in it, from 1; the number of the row in formats without lines (Parquet). */
  line: number;
}

/** One row as it stands in its file. A text file is one row, `{ text }`. */
export interface Row extends Origin {
  /** Its columns. Numbers are as `lib/json` holds them: `number`, `bigint`, or a `Float` that keeps its text. */
  value: Record<string, unknown>;
  /** Keys that stood twice in one of its objects, where some did; the last value counts. */
  repeated?: readonly string[];
  /** By what the row is understood; left out: as in a recipe that says nothing of it. */
  rules?: RowRules;
}

/** What is known of a file when its rows are understood. */
export interface RowRules {
  /** Roles of the recipe: name in the data → name for the chat template. */
  roles: Readonly<Record<string, string>>;
  /** Whether its rows become chats. */
  isChat: boolean;
  /** Counts what is seen in a row and is no fault; `why` ends the sentence. */
  note(code: RemarkCode, name: string, at: Origin, why?: string): void;
  /** Is told of every chat that was rendered. */
  rendered(row: Origin & { tools?: unknown }, messages: readonly ChatMessage[], chat: ChatRenderer): void;
}

/** What can be remarked of rows. */
export type RemarkCode = 'repeated_key' | 'unused_column' | 'unused_key' | 'unknown_role' | 'unrendered_answer';

/** A part of a content that is a list. Only texts are read; further keys are handed to the template. */
export interface MessagePart {
  type: 'text';
  text: string;
  [key: string]: unknown;
}

/** Marks a message of the assistant that is said not to be trained. */
export const UNTRAINED = Symbol('not trained');

/** One message of a chat. One that calls tools may have no content. Other keys are handed to the template as they are. */
export interface ChatMessage {
  role: string;
  content?: string | MessagePart[];
  [UNTRAINED]?: boolean;
  [key: string]: unknown;
}

/** A stretch of an example's text. */
export interface Segment {
  text: string;
  /** Whether the method learns to produce it. */
  trained: boolean;
  /** What it came from: a column, `template`, or `messages[2].content`. */
  field: string;
}

/** A row as text, with the origin of every stretch. `segments` are joined with nothing between. */
export interface Example extends Origin {
  segments: Segment[];
  /** `document`: begin token first where the tokenizer adds one, end token last. `chat`: the rendering holds its own, nothing is added. */
  frame: 'document' | 'chat';
  /** Whether only the trained segments are answers (else the whole row is one text). */
  answers: boolean;
  /** An answer is yet to be sampled: no end token. */
  open?: boolean;
}

/** Tokens that do not stand in the order of their text. Symbols: N ids of a sequence. */
export interface Layout {
  /** (N) place of each in the text, from 0. */
  positions: Int32Array;
  /** (N) tokens of the sequence that each does not see, from and to (excluded); equal: none. */
  hiddenFrom: Int32Array;
  hiddenTo: Int32Array;
}

/**
 * `pair`: chosen and rejected. `ranking`: answers to one prompt, best first. `thumb`: one answer, good or bad. `prompt`: one that answers are
 * to be sampled for.
 */
export type UnitKind = 'pair' | 'ranking' | 'thumb' | 'prompt';

/** Sequences that belong together: they follow each other in a data set, and stay together in a step and in a micro-batch. */
export interface Unit {
  kind: UnitKind;
  /** Its number in the data set, from 0: what groups of answers are known by. */
  number: number;
  /** What `rowsPerStep` counts it as: 1, or the pairs of a ranking. */
  rows: number;
  /** Place of each of its sequences, 0 the best; ties share a place. */
  ranks: readonly number[];
  /** Thumb up or down. */
  label?: boolean;
  /** By how much the first is better than the second; 0 where nothing is said. */
  margin: number;
  /** Text of a prompt that answers are to be sampled for, as the model sees it. */
  prompt?: string;
  /** Columns of the row: all of them for a prompt, else the scores. */
  columns: Readonly<Record<string, unknown>>;
}

/** An example as ids. The first token is never trained: nothing comes before it. */
export interface Tokens extends Origin {
  ids: Int32Array;
  /** 0 or 1 for each id. */
  trained: Uint8Array;
  /** Number of ones in `trained`. */
  trainedTokens: number;
  /** Of a text with hidden tokens: the id to be predicted at each place itself, -1 where none is. `trained` then marks these places. */
  targets?: Int32Array;
  /** Where the ids stand in an order of their own. */
  layout?: Layout;
  /** Index into the data set's sources. */
  source: number;
  /** A figure from 0 to below 1 that depends on the row's content alone; pieces of one row share it. */
  share: number;
  /** The whole text of the row, where it was asked to be kept. */
  text?: string;
  /** Ids before the answer: those without a byte of it. */
  promptLength?: number;
  /** What the sequence is weighed against or judged as, where the method learns from more than rows. */
  unit?: Unit;
  /** Its place among the unit's sequences, from 0. */
  member?: number;
}

/** What `lib/data` needs of a tokenizer; the one of `lib/tokenizer` has it. */
export interface RowTokenizer {
  /** Id that goes before a document, null where the tokenizer adds none. */
  readonly bos: number | null;
  /** Id that ends a document or an answer. */
  readonly eos: number;
  /** Ids at which generation stops. Default: the EOS alone. */
  readonly ends?: readonly number[];
  /** Ids that are no text. One that ends a trained stretch is the token with which a chat template closes an answer. */
  readonly special?: ReadonlySet<number>;
  /**
   * Each row's segments as one text in one pass, without begin and end tokens. A token is trained where any of its bytes came from a trained
   * segment. `special`: special tokens that are written out in the text
   * become their ids, as the text of a chat template wants it.
   */
  encodeSpansMany(
    rows: readonly (readonly Pick<Segment, 'text' | 'trained'>[])[],
    options?: { special?: boolean },
  ): Promise<{ ids: Int32Array; trained: Uint8Array }[]>;
  /** One id as text, for previews. */
  tokenText(id: number): string;
  /** Text of ids, nothing left out. */
  decode(ids: ArrayLike<number>): string;
}

/** The model's chat template. */
export interface ChatRenderer {
  /**
   * The chat as text without generation prompt, with the origin of every stretch. Trained is what the assistant writes in the messages for which
   * `isTrained` holds, by their place; default: in all of them.
   */
  render(messages: readonly ChatMessage[], options?: { tools?: unknown; isTrained?: (message: number) => boolean }): Segment[];
  /** The chat as text up to where the next answer begins. */
  prompt(messages: readonly ChatMessage[], options?: { tools?: unknown }): string;
}

/** A remark that is no fault, for the report and a warning event. */
export interface Warning {
  code: string;
  message: string;
}
