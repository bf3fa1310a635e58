/** What methods know of a packed batch beside its log-probabilities: which sequences belong together, and how. */
import type { PackedBatch, Tokens } from './types.js';
import { rankedPairs, unitStarts } from './units.js';

/**
 * A batch in which sequences of a unit that begin alike share that beginning. Its sequences are stretches, S of them: a beginning, or what comes
 * behind one. A stretch sees the whole of its parent and itself up to each token; its positions go on from the parent's. No target is lost, and
 * log-probabilities come in the same order as in the plain form.
 */
export interface SharedBatch extends PackedBatch {
  /** (S) stretch that comes before each stretch, -1 where there is none; it stands earlier in the batch. `rowOf` of a parent is -1. */
  parentOf: Int32Array;
  /** Stretch of each sequence, in the order of the rows asked for. */
  stretchOf: Int32Array;
}

/** What methods know of a batch beside log-probabilities. Symbols: R sequences in the order of the rows asked for, U units, P pairs, Q steps. */
export interface BatchUnits {
  /** (R) unit of each sequence, counted in this batch. */
  unitOf: Int32Array;
  /** (U) number of each unit in the data set. */
  numbers: Int32Array;
  /** (R) place of each sequence in its unit, 0 the best (chosen), ties alike. */
  ranks: Int32Array;
  /** (R) 1 thumb up, 0 thumb down, -1 neither. */
  labels: Int8Array;
  /** (R + 1) index of each sequence's first log-probability, and their number. */
  logprobStarts: Int32Array;
  /** (number of log-probabilities) 1 for a token of an answer, 0 for one of a prompt. */
  isAnswer: Uint8Array;
  /** (R) index in `tokens` at which a sequence is scored: its last trained token, the end token of a whole answer. */
  scoreAt: Int32Array;
  pairs: BatchPairs;
  steps: BatchSteps;
}

/** Pairs of answers to one prompt; those of a ranking follow each other. */
export interface BatchPairs {
  /** (P) better sequence of each pair. */
  chosen: Int32Array;
  /** (P) the other one. */
  rejected: Int32Array;
  /** (P) unit of each pair, counted in this batch. */
  unitOf: Int32Array;
  /** (P) by how much the better one is better. */
  margins: Float64Array;
}

/** Judged steps of answers. */
export interface BatchSteps {
  /** (Q) index in `tokens` of the last token of each step. */
  at: Int32Array;
  /** (Q) 1 right, 0 wrong. */
  labels: Uint8Array;
  /** (Q) sequence of each step. */
  sequenceOf: Int32Array;
}

type Member = Pick<Tokens, 'ids' | 'trained' | 'unit' | 'member' | 'steps'>;

/**
 * @param flags 1 for each token that is to be predicted, of each sequence
 * @param origins index in the batch that the first token of each sequence has, or would have were nothing shared
 */
export function batchUnits(members: readonly Member[], flags: readonly Uint8Array[], origins: Int32Array): BatchUnits {
  const starts = unitStarts(members);
  const unitOf = new Int32Array(members.length);
  for (const [unit, start] of starts.subarray(0, -1).entries()) unitOf.fill(unit, start, starts[unit + 1]);
  return {
    unitOf,
    numbers: Int32Array.from(starts.subarray(0, -1), (start) => members[start]?.unit?.number ?? -1),
    ranks: Int32Array.from(members, ({ unit, member = 0 }) => unit?.ranks[member] ?? 0),
    labels: Int8Array.from(members, ({ unit }) => (unit?.label === undefined ? -1 : Number(unit.label))),
    ...logprobPlaces(members, flags),
    scoreAt: Int32Array.from(
      members,
      ({ ids, trained }, n) => (origins[n] ?? 0) + (trained.includes(1) ? trained.lastIndexOf(1) : ids.length - 1),
    ),
    pairs: batchPairs(members, starts),
    steps: batchSteps(members, origins),
  };
}

function logprobPlaces(members: readonly Member[], flags: readonly Uint8Array[]): Pick<BatchUnits, 'logprobStarts' | 'isAnswer'> {
  const logprobStarts = new Int32Array(members.length + 1);
  const isAnswer: number[] = [];
  for (const [n, { trained }] of members.entries()) {
    for (let i = 1; i < trained.length; i++) if (flags[n]?.[i] === 1) isAnswer.push(trained[i] as number);
    logprobStarts[n + 1] = isAnswer.length;
  }
  return { logprobStarts, isAnswer: Uint8Array.from(isAnswer) };
}

/** Pairs whose answers are both here: a unit that was cut apart keeps those that it can. */
function batchPairs(members: readonly Member[], starts: Int32Array): BatchPairs {
  const found: { chosen: number; rejected: number; unit: number; margin: number }[] = [];
  for (const [unit, start] of starts.subarray(0, -1).entries()) {
    const own = members.slice(start, starts[unit + 1]);
    const ranks = own.map((one) => one.unit?.ranks[one.member ?? 0] ?? 0);
    const margin = own[0]?.unit?.margin ?? 0;
    for (const [better, worse] of rankedPairs(ranks)) found.push({ chosen: start + better, rejected: start + worse, unit, margin });
  }
  return {
    chosen: Int32Array.from(found, ({ chosen }) => chosen),
    rejected: Int32Array.from(found, ({ rejected }) => rejected),
    unitOf: Int32Array.from(found, ({ unit }) => unit),
    margins: Float64Array.from(found, ({ margin }) => margin),
  };
}

function batchSteps(members: readonly Member[], origins: Int32Array): BatchSteps {
  const found = members.flatMap(({ steps }, n) =>
    Array.from(steps?.ends ?? [], (end, step) => ({ at: (origins[n] ?? 0) + end, label: steps?.labels[step] ?? 0, sequence: n })),
  );
  return {
    at: Int32Array.from(found, ({ at }) => at),
    labels: Uint8Array.from(found, ({ label }) => label),
    sequenceOf: Int32Array.from(found, ({ sequence }) => sequence),
  };
}
