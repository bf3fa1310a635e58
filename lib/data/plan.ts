/** Which sequences every step takes: filled in order to a number of rows or a budget of tokens, and resumable at every border. */
import { epochLength, epochOrder, type OrderRules } from './order.js';
import type { Tokens } from './types.js';

export interface StepRules {
  /** Exactly one of these two. */
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
  /** Epoch that the next sequence is of, from 0. */
  epoch: number;
  /** Its place in that epoch's order. */
  position: number;
}

interface Data {
  sequences: readonly Pick<Tokens, 'ids' | 'trainedTokens' | 'source'>[];
  sources: readonly { weight: number }[];
}

/** The steps of a run, one after the other. Sequences in which nothing is trained are passed over. */
export class StepPlan {
  readonly #order: OrderRules;
  readonly #rules: StepRules;
  readonly #sizes: Int32Array;
  readonly #perEpoch: number;
  readonly #end: number;
  #cursor: Cursor;
  #current: { epoch: number; order: Int32Array } | undefined;

  constructor(data: Data, rules: StepRules, cursor: Cursor = { step: 0, epoch: 0, position: 0 }) {
    const { sequences, sources } = data;
    const bySource: number[][] = sources.map(() => []);
    for (const [n, { trainedTokens, source }] of sequences.entries()) if (trainedTokens > 0) bySource[source]?.push(n);
    this.#order = { sources: bySource, weights: sources.map(({ weight }) => weight), shuffle: rules.shuffle, seed: rules.seed };
    this.#rules = rules;
    this.#sizes = Int32Array.from(sequences, ({ ids }) => ids.length);
    this.#perEpoch = epochLength(this.#order);
    this.#end = rules.epochs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.round(rules.epochs * this.#perEpoch));
    this.#cursor = { ...cursor };
  }

  /** A copy of where the plan stands. */
  get cursor(): Cursor {
    return { ...this.#cursor };
  }

  /** Indices of the next step's sequences, or undefined after the last step. */
  next(): Int32Array | undefined {
    if (this.#rules.steps !== undefined && this.#cursor.step >= this.#rules.steps) return undefined;
    const { rowsPerStep = Number.POSITIVE_INFINITY, tokensPerStep = Number.POSITIVE_INFINITY } = this.#rules;
    const step: number[] = [];
    let tokens = 0;
    for (let row = this.#peek(); row !== undefined && step.length < rowsPerStep; row = this.#peek()) {
      tokens += this.#sizes[row] ?? 0;
      if (step.length > 0 && tokens > tokensPerStep) break;
      step.push(row);
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
