/**
 * What is known of the sequences of a step, side by side: a column holds one figure a trained token, one a sequence
 * or one a comparison. Nothing is padded. A micro-batch is `part` of a step: the same columns of some of its sequences. Symbols: N trained
 * tokens, S sequences, P comparisons of two answers of a group, K candidates a token.
 */

/** Figures in a row; the native side gives and takes `Float32Array`, tests and `prepare` may use doubles. */
export type Numbers = Float32Array | Float64Array;

/** One figure a trained token (N), in the order of the sequences. */
export interface TokenColumns {
  /** Log-probability under the frozen reference. */
  reference: Numbers;
  /** Log-probability under the policy that wrote the answer. */
  old: Numbers;
  /** Value before the update. */
  oldValue: Numbers;
  /** How much better than expected the token was. */
  advantage: Numbers;
  /** What the value head is to say. */
  returns: Numbers;
  /** (N K) log-probabilities of the teacher for its K likeliest tokens. */
  teacher: Numbers;
}

/** One figure a sequence (S). */
export interface SequenceColumns {
  /** Trained tokens at its beginning that belong to the prompt. */
  promptTokens: Int32Array;
  /** 1 for an answer that was liked, 0 for one that was not. */
  label: Numbers;
  /** By how much the first answer of a pair is to win; stands at the first. */
  margin: Numbers;
  /** Place in its ranking, 1 is best; equal places are ties. Without it: the order of the group. */
  rank: Numbers;
  /** Σ log-ratio of the prompt with the answer of another row (KTO); left out where a step has no other. */
  mismatch: Numbers;
  /** Weighted sum of the rewards of an answer, before any penalty. */
  reward: Numbers;
  /** 1 for an answer that ended by itself, 0 for one that was cut. */
  stopped: Numbers;
  /** Made by `prepare` of `kto`: its point of reference, and 1 / answers of the same label in the step (0 where all have one label). */
  referencePoint: Numbers;
  share: Numbers;
}

/** One figure a comparison (P), in the order of `comparisons` (pairs.ts). Made by `prepare` of `aot`: what has the same place in the step's order. */
export interface PairColumns {
  /** The reference's gap. */
  matchedGap: Numbers;
  /** The rejected log-ratio that the chosen answer is set against, and the chosen one that the rejected answer is. */
  matchedRejected: Numbers;
  matchedChosen: Numbers;
}

/** The columns of a step or of a part of it. */
export interface Columns extends Partial<TokenColumns>, Partial<SequenceColumns>, Partial<PairColumns> {
  /** (S + 1) index of each sequence's first trained token, and N. */
  sequenceStarts: Int32Array;
  /**
   * (S) row of the step that a sequence belongs to: a pair (chosen, then rejected), a ranking (best to worst), a thumb, a prompt with its answers.
   * Sequences of one row lie side by side, and pairs and rankings are never torn apart.
   */
  group: Int32Array;
}
export type Column = keyof TokenColumns | keyof SequenceColumns | keyof PairColumns;

const OF_TOKENS = Object.keys({
  reference: 0,
  old: 0,
  oldValue: 0,
  advantage: 0,
  returns: 0,
  teacher: 0,
} satisfies Record<keyof TokenColumns, 0>) as (keyof TokenColumns)[];
const OF_SEQUENCES = Object.keys({
  promptTokens: 0,
  label: 0,
  margin: 0,
  rank: 0,
  mismatch: 0,
  reward: 0,
  stopped: 0,
  referencePoint: 0,
  share: 0,
} satisfies Record<keyof SequenceColumns, 0>) as (keyof SequenceColumns)[];
const OF_PAIRS = ['matchedGap', 'matchedRejected', 'matchedChosen'] as const satisfies (keyof PairColumns)[];

/** The columns of the sequences at `sequences`, in that order: whole groups where there are comparisons. */
export function part(step: Columns, sequences: ArrayLike<number>): Columns {
  const picked: Record<string, Numbers | Int32Array> = {};
  for (const name of OF_TOKENS) if (step[name] !== undefined) picked[name] = runsOf(step[name], step.sequenceStarts, sequences);
  for (const name of OF_SEQUENCES) if (step[name] !== undefined) picked[name] = figuresOf(step[name], sequences);
  for (const name of OF_PAIRS) if (step[name] !== undefined) picked[name] = runsOf(step[name], startsOf(wins(step)), sequences);
  const lengths = Int32Array.from(sequences, (s) => step.sequenceStarts[s + 1]! - step.sequenceStarts[s]!);
  return { ...picked, sequenceStarts: startsOf(lengths), group: figuresOf(step.group, sequences) };
}

const trainedOf = ({ sequenceStarts }: Columns, s: number) => sequenceStarts[s + 1]! - sequenceStarts[s]!;

/** (S + 1) where each of some runs of these lengths starts, and the end. */
function startsOf(lengths: Int32Array): Int32Array {
  const starts = new Int32Array(lengths.length + 1);
  lengths.forEach((length, s) => {
    starts[s + 1] = starts[s]! + length;
  });
  return starts;
}

/** The runs of some sequences in a column that has one run a sequence. A column may hold several figures a place (K candidates a token). */
function runsOf(column: Numbers, starts: Int32Array, sequences: ArrayLike<number>): Numbers {
  const width = column.length / Math.max(1, starts.at(-1)!);
  const run = (s: number) => column.subarray(width * starts[s]!, width * starts[s + 1]!);
  const runs = Array.from(sequences, run);
  const picked = blank(
    column,
    runs.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const one of runs) {
    picked.set(one, at);
    at += one.length;
  }
  return picked;
}

function figuresOf<T extends Numbers | Int32Array>(column: T, sequences: ArrayLike<number>): T {
  const picked = blank(column, sequences.length);
  for (let s = 0; s < sequences.length; s++) picked[s] = column[sequences[s]!]!;
  return picked;
}

const blank = <T extends Numbers | Int32Array>(like: T, length: number): T => new (like.constructor as new (length: number) => T)(length);

/** Counts of a step that a divisor may need, known before its first micro-batch. */
export interface StepCounts {
  trainedTokens: number;
  sequences: number;
}
export interface GroupCounts extends StepCounts {
  groups: number;
  /** Comparisons of two answers of a group that are not of the same rank; a pair has one. */
  pairs: number;
  /** Trained tokens of the first sequence of each group, those of its prompt included where they are given. */
  chosenTokens: number;
}

export function stepCounts(step: Columns): GroupCounts {
  const firsts = groupStarts(step.group).slice(0, -1);
  const chosenTokens = firsts.reduce((sum, s) => sum + trainedOf(step, s), 0);
  const counts = { trainedTokens: step.sequenceStarts.at(-1)!, sequences: step.group.length, groups: firsts.length, chosenTokens };
  return { ...counts, pairs: wins(step).reduce((sum, one) => sum + one, 0) };
}

/** (S) comparisons that each sequence is to win: those with the answers behind it in its group that are not of the same rank. */
function wins({ group, rank }: Pick<Columns, 'group' | 'rank'>): Int32Array {
  const [starts, counts] = [groupStarts(group), new Int32Array(group.length)];
  for (let g = 0; g + 1 < starts.length; g++)
    for (let i = starts[g]!; i < starts[g + 1]!; i++)
      for (let j = i + 1; j < starts[g + 1]!; j++) counts[i]! += rank === undefined || rank[i] !== rank[j] ? 1 : 0;
  return counts;
}

/** (G + 1) index of each group's first sequence, and S. */
export function groupStarts(group: Int32Array): Int32Array {
  const starts: number[] = [];
  for (let s = 0; s < group.length; s++) if (s === 0 || group[s] !== group[s - 1]) starts.push(s);
  return Int32Array.from([...starts, group.length]);
}
