/** Sequences as they go through a network. Symbols: N tokens of a batch, S its sequences. */

/** One figure a sequence. Columns without a meaning for the rows at hand are left out. */
export interface BatchColumns {
  /** (S + 1) index of each sequence's first target among all targets, and N. */
  sequenceStarts: Int32Array;
  /** (S) unit of each sequence, counted from 0; a plain row is one by itself. */
  group: Int32Array;
  /** (S) place in the unit, 1 is best, ties alike: of a pair 1 is chosen and 2 rejected. */
  rank?: Float64Array;
  /** (S) 1 thumb up, 0 thumb down. */
  label?: Float64Array;
  /** (S) by how much the first answer of a pair is better; stands at the first. */
  margin?: Float64Array;
  /** (S) targets at the beginning that belong to the prompt (`wholeChosen`). */
  promptTokens?: Int32Array;
}

/** Sequences laid end to end. There is no padding. */
export interface PackedBatch {
  /** (N) ids. */
  tokens: Int32Array;
  /** (N) position of each token in its own sequence, from 0. */
  positions: Int32Array;
  /** (N) tokens that each does not see, from and to (excluded); equal: it sees all of its sequence that attention shows it. */
  hiddenFrom: Int32Array;
  hiddenTo: Int32Array;
  /** (S + 1) index of each sequence's first token, and N. */
  sequenceStarts: Int32Array;
  /** (N) id that position i is to predict: the id at i + 1 of its sequence, or the one hidden at i; -1 where that is not trained. */
  targets: Int32Array;
  /** Number of targets that are not -1. */
  trainedTokens: number;
  /** (S) index of the token at which each sequence is scored: its last trained one. */
  scoreAt: Int32Array;
}
