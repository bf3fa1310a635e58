/** Which sequences every step takes: filled in order to a number of rows or a budget of tokens, and resumable at every border. */

import { unitStarts } from '../sequences/units.js';
import type { Tokens } from '../types.js';
import { epochLength, epochOrder, type OrderRules } from './order.js';

export interface StepRules {
  /** Exactly one of these two. Rows are sequences, or what units count as: pairs, thumbs, prompts. */
  tokensPerStep?: number;
  rowsPerStep?: number;
  /** Exactly one of these two. Steps go on over as many epochs as they need; epochs end in a step that may be short. */
  steps?: number;
  epochs?: number;
  shuffle: boolean;
  seed: number;
}

/** Where in the data a run stands: everything that is needed to go on, as the order of an epoch follows from seed and epoch. */
export interface Cursor {
  /** Steps taken. */
  step: number;
  /** Epoch that the next unit is of, from 0; a sequence without a unit is one by itself. */
  epoch: number;
  /** Its place in that epoch's order. */
  position: number;
}

interface Data {
  sequences: readonly Pick<Tokens, 'ids' | 'trainedTokens' | 'source' | 'unit' | 'member'>[];
  sources: readonly { weight: number }[];
}

/** The steps of a run, one after the other. Units stay whole. Those in which nothing is trained are passed over, but for prompts. */
export class StepPlan {
  readonly #order: OrderRules;
  readonly #rules: StepRules;
  /** (U + 1) first sequence of each unit. */
  readonly #starts: Int32Array;
  /** (U) tokens of each unit, and what it counts as. */
  readonly #tokens: Float64Array;
  readonly #rows: Int32Array;
  readonly #perEpoch: number;
  readonly #end: number;
  #cursor: Cursor;
  #current: { epoch: number; order: Int32Array } | undefined;

  constructor(data: Data, rules: StepRules, cursor: Cursor = { step: 0, epoch: 0, position: 0 }) {
    const { sequences, sources } = data;
    const bySource: number[][] = sources.map(() => []);
    this.#starts = unitStarts(sequences);
    this.#tokens = new Float64Array(this.#starts.length - 1);
    this.#rows = new Int32Array(this.#starts.length - 1).fill(1);
    for (const [unit, start] of this.#starts.subarray(0, -1).entries()) {
      const members = sequences.slice(start, this.#starts[unit + 1]);
      this.#tokens[unit] = members.reduce((sum, { ids }) => sum + ids.length, 0);
      this.#rows[unit] = members[0]?.unit?.rows ?? 1;
      const isUsable = members.some(({ trainedTokens, unit: { kind } = {} }) => trainedTokens > 0 || kind === 'prompt');
      if (isUsable) bySource[members[0]?.source ?? 0]?.push(unit);
    }
    this.#order = { sources: bySource, weights: sources.map(({ weight }) => weight), shuffle: rules.shuffle, seed: rules.seed };
    this.#rules = rules;
    this.#perEpoch = epochLength(this.#order);
    this.#end = rules.epochs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(rules.epochs * this.#perEpoch));
    this.#cursor = { ...cursor };
  }

  /** A copy of where the plan stands. */
  get cursor(): Cursor {
    return { ...this.#cursor };
  }

  /** Indices of the next step's sequences, whole units, or undefined after the last step. */
  next(): Int32Array | undefined {
    if (this.#rules.steps !== undefined && this.#cursor.step >= this.#rules.steps) return undefined;
    const { rowsPerStep = Number.POSITIVE_INFINITY, tokensPerStep = Number.POSITIVE_INFINITY } = this.#rules;
    const step: number[] = [];
    let [tokens, rows] = [0, 0];
    for (let unit = this.#peek(); unit !== undefined && rows < rowsPerStep; unit = this.#peek()) {
      tokens += this.#tokens[unit] ?? 0;
      rows += this.#rows[unit] ?? 1;
      if (step.length > 0 && (tokens > tokensPerStep || rows > rowsPerStep)) break;
      for (let n = this.#starts[unit] ?? 0; n < (this.#starts[unit + 1] ?? 0); n++) step.push(n);
      this.#advance();
    }
    if (step.length === 0) return undefined;
    this.#cursor.step++;
    return Int32Array.from(step);
  }

  /** Number of steps from the first to the last, for schedules. */
  count(): number {
    if (this.#rules.steps !== undefined) return this.#perEpoch === 0 ? 0 : this.#rules.steps;
    const saved = { cursor: this.#cursor, current: this.#current };
    this.#cursor = { step: 0, epoch: 0, position: 0 };
    while (this.next() !== undefined);
    const { step } = this.#cursor;
    this.#cursor = saved.cursor;
    this.#current = saved.current;
    return step;
  }

  /** The next unit. */
  #peek(): number | undefined {
    const { epoch, position } = this.#cursor;
    if (epoch * this.#perEpoch + position >= this.#end || this.#perEpoch === 0) return undefined;
    if (this.#current?.epoch !== epoch) this.#current = { epoch, order: epochOrder(this.#order, epoch) };
    return this.#current.order[position];
  }

  #advance(): void {
    this.#cursor.position++;
    if (this.#cursor.position < this.#perEpoch) return;
    this.#cursor.position = 0;
    this.#cursor.epoch++;
  }
}
