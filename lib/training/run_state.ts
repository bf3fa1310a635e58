/**
 * What a run remembers from step to step, and what a checkpoint keeps of it beside the tensors. Random numbers have no state to keep: the order of
 * rows follows from seed and epoch, dropout from seed and step.
 */
import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Checkpoint } from '../checkpoint/resume.js';
import type { Cursor } from '../data/index.js';
import { DataError, RequestError } from '../errors/index.js';
import type { MethodState } from '../methods/index.js';
import type { EvaluationEvent, StepEvent } from './events.js';
import { type Best, betterOf, type Judged, judgedOf } from './held_out.js';
import type { Hashes } from './manifest.js';
import type { PreferenceWatch } from './preference_warnings.js';
import type { RolloutState } from './rollout_step.js';
import type { Watch } from './rollout_warnings.js';

/** Version of what a checkpoint holds. */
const FORMAT = 2;

interface Fixed {
  /** Chosen once: another split of a step would round its sums otherwise. */
  microBatchTokens: number;
  hashes: RunHashes;
}

/** What a run was made of: its base, its rows, and the models beside. */
export interface RunHashes {
  base: Hashes;
  data: Hashes;
  beside: Hashes;
}

const IN_WORDS: Record<keyof RunHashes, string> = {
  base: 'the base model',
  data: 'the data',
  beside: 'a model that the run goes on from or is measured by',
};

/** Sums and figures over the whole run, also over what was before a resume. */
export interface Sums {
  tokens: number;
  trainedTokens: number;
  seconds: number;
  firstLoss: number | undefined;
  lastLoss: number | undefined;
  peakMemoryMiB: number;
}

export class RunState {
  step = 0;
  cursor: Cursor = { step: 0, epoch: 0, position: 0 };
  best: Best | undefined;
  evaluations: Judged[] = [];
  /** Of methods that learn from rows: what the method remembers, and what is watched. */
  rows: { method: MethodState; watch: PreferenceWatch } = { method: {}, watch: {} };
  /** Of methods with rollouts. */
  rollouts: RolloutState & { watch: Watch } = { updates: 0, method: {}, watch: {} };
  sums: Sums = { tokens: 0, trainedTokens: 0, seconds: 0, firstLoss: undefined, lastLoss: undefined, peakMemoryMiB: 0 };

  constructor(private readonly fixed: Fixed) {}

  get microBatchTokens(): number {
    return this.fixed.microBatchTokens;
  }

  /**
   * The state in a checkpoint, if base and data are still the same.
   * @throws RequestError `data_changed`; DataError `bad_checkpoint`
   */
  static from({ folder, state: json }: Checkpoint, hashes: RunHashes): RunState {
    if (json.format !== FORMAT)
      throw new DataError('bad_checkpoint', `has the format ${json.format}; this version reads ${FORMAT}`, { file: folder });
    const saved = json as unknown as ReturnType<RunState['toJSON']>;
    for (const what of ['base', 'data', 'beside'] as const) checkSame(what, saved.hashes[what], hashes[what]);
    const state = new RunState({ microBatchTokens: saved.microBatchTokens, hashes });
    const { step, cursor, best, evaluations, sums, rows = state.rows, rollouts = state.rollouts } = saved;
    return Object.assign(state, { step, cursor, best, evaluations, sums, rows, rollouts });
  }

  /** What the checkpoint's state.json holds. */
  toJSON() {
    const { step, cursor, best, evaluations, sums, rows, fixed } = this;
    const rollouts = this.rollouts.updates > 0 ? { rollouts: this.rollouts } : {};
    return {
      format: FORMAT,
      step,
      cursor,
      microBatchTokens: fixed.microBatchTokens,
      best,
      evaluations,
      sums,
      hashes: fixed.hashes,
      rows,
      ...rollouts,
    };
  }

  /** Takes a step into account. `cursor` stands behind it. */
  tookStep({ step, loss, tokens, trainedTokens, tokensPerSecond, memoryMiB }: StepEvent, cursor: Cursor): void {
    const { sums } = this;
    this.step = step;
    this.cursor = cursor;
    this.sums = {
      tokens: sums.tokens + tokens,
      trainedTokens: sums.trainedTokens + trainedTokens,
      seconds: sums.seconds + tokens / tokensPerSecond,
      firstLoss: sums.firstLoss ?? loss,
      lastLoss: loss,
      peakMemoryMiB: Math.max(sums.peakMemoryMiB, memoryMiB),
    };
  }

  /** Takes an evaluation into account. */
  evaluated(event: EvaluationEvent, minimum: number): void {
    this.evaluations.push(judgedOf(event));
    this.best = betterOf(this.best, event, minimum);
  }
}

/** @throws RequestError `data_changed` where files are not what they were */
export function checkSame(what: keyof RunHashes, before: Hashes, now: Hashes): void {
  // Their folder may have moved with the run: which paths are read is the recipe's matter.
  const named = (hashes: Hashes) => Object.entries(hashes).map(([file, hash]) => [basename(file), hash]);
  if (isDeepStrictEqual(named(before), named(now))) return;
  const files = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((file) => before[file] !== now[file]);
  throw new RequestError(
    'data_changed',
    `${IN_WORDS[what]} changed since the checkpoint was written: ${files.slice(0, 5).join(', ')}; start anew with another --out`,
  );
}
