/**
 * Sequences as the native side takes them. What all sequences of a unit begin with (the prompt of a pair, of a ranking, of a group of answers) is
 * computed once, where the network can: its log-probabilities and gradients are those of the sequences alone, but for rounding. Dropout is drawn
 * once for such a beginning, with the key of the unit's first sequence.
 */
import { microBatches, type PackRules, packBatch, packShared, sharedMicroBatches, sharedTokensOf, type Tokens } from '../data/index.js';
import type { ForwardBatch, NativeModel } from '../native.js';

/** What a sequence must have to go through the network. */
export type PassSequence = Pick<Tokens, 'ids' | 'trained' | 'trainedTokens' | 'targets' | 'layout' | 'unit' | 'member'> & {
  /** (trained tokens x K) ids whose log-probabilities are wanted, as a teacher names them. */
  candidates?: Int32Array;
};

type Sharing = Pick<NativeModel, 'sharesBeginnings'>;

/** Indices of all of a list. */
export const allOf = (list: { readonly length: number }) => Int32Array.from({ length: list.length }, (_, n) => n);

/** The sequences at some places. */
export const membersAt = <T>(sequences: readonly T[], places: ArrayLike<number>): T[] =>
  Array.from(places, (place) => sequences[place] as T);

/** Places of sequences, so many tokens at a time; units stay whole. */
export const cutInto = ({ sharesBeginnings }: Sharing, sequences: readonly PassSequence[], tokens: number): Int32Array[] =>
  (sharesBeginnings ? sharedMicroBatches : microBatches)(sequences, allOf(sequences), tokens);

/** Tokens of one pass over sequences: what a unit begins with counts once where the network computes it once. */
export const passTokens = ({ sharesBeginnings }: Sharing, sequences: readonly PassSequence[]): number =>
  sharesBeginnings ? sharedTokensOf(sequences) : sequences.reduce((sum, { ids }) => sum + ids.length, 0);

export interface PassBatch extends ForwardBatch {
  /** (S) where each sequence is scored. */
  scoreAt: Int32Array;
  /** Positions before trained tokens: the state that predicts a token is what its value is read from. */
  predicting: Int32Array;
}

/** @param places identity of each sequence in its step, for dropout */
export function passBatch(
  { sharesBeginnings }: Sharing,
  sequences: readonly PassSequence[],
  rules?: PackRules,
  places?: Int32Array,
): PassBatch {
  if (sharesBeginnings && sequences.every(({ layout }) => layout === undefined)) return sharedBatch(sequences, rules, places);
  const { tokens, sequenceStarts, targets, positions, hiddenFrom, hiddenTo, scoreAt } = packBatch(sequences, allOf(sequences), rules);
  const predicting = allOf(targets).filter((i) => (targets[i] as number) >= 0);
  const laid = { tokens, sequenceStarts, targets, positions, hiddenFrom, hiddenTo };
  return { ...laid, scoreAt, predicting, ...(places && { sequenceKeys: places }) };
}

function sharedBatch(sequences: readonly PassSequence[], rules?: PackRules, places?: Int32Array): PassBatch {
  const packed = packShared(sequences, allOf(sequences), rules);
  const { tokens, sequenceStarts, targets, targetRows, targetIds, positions, hiddenFrom, hiddenTo, scoreAt, sequenceOf } = packed;
  const sequenceKeys = places && { sequenceKeys: sequenceOf.map((n) => places[n] as number) };
  const layout = { positions, hiddenFrom, hiddenTo, ...sequenceKeys };
  return { tokens, sequenceStarts, targets, targetRows, targetIds, ...layout, scoreAt, predicting: targetRows };
}
