/**
 * What a run remembers from step to step, and what a checkpoint keeps of it beside the tensors. Random numbers have no state to keep: the order of
 * rows follows from seed and epoch, dropout from seed and step.
 */
import type { Checkpoint } from '../../checkpoint/resume.js';
import type { Cursor } from '../../data/index.js';
import { DataError } from '../../errors/index.js';
import type { MethodState } from '../../methods/index.js';
import type { EvaluationEvent, StepEvent } from '../events.js';
import type { RolloutState } from '../rollout/step.js';
import type { Watch } from '../rollout/warnings.js';
import type { PreferenceWatch } from '../step/preference_warnings.js';
import { type Best, betterOf, type Judged, judgedOf, lowestOf } from './held_out.js';
import { checkSameFiles, type RunHashes } from './same_files.js';

/** Version of what a checkpoint holds. */
const FORMAT = 3;

/** What is chosen once for the whole run, however often and wherever it goes on. */
export interface Fixed {
  /** Another split of a step would round its sums otherwise. */
  microBatchTokens: number;
  hashes: RunHashes;
  /** What chat templates are told, as `wallTime` writes it. */
  time: string;
  /** Steps of warm-up: a share of the steps would be another number in a run that grew. */
  warmup: number;
  /** Whether the reference is computed before the first step: another way may round otherwise. */
  keepsReference: boolean;
}

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
  /** For patience: the last evaluation that was better by `minimum`. */
  best: Best | undefined;
  /** The evaluation with the lowest figure, whose weights come out with early stopping. */
  lowest: Judged | undefined;
  evaluations: Judged[] = [];
  /** Of methods that learn from rows: what the method remembers, and what is watched. */
  rows: { method: MethodState; watch: PreferenceWatch } = { method: {}, watch: {} };
  /** Of methods with rollouts. */
  rollouts: RolloutState & { watch: Watch } = { updates: 0, method: {}, watch: {} };
  sums: Sums = { tokens: 0, trainedTokens: 0, seconds: 0, firstLoss: undefined, lastLoss: undefined, peakMemoryMiB: 0 };

  constructor(readonly fixed: Fixed) {}

  /**
   * The state in a checkpoint, if all files that the run is made of are still the same.
   * @throws RequestError `data_changed`; DataError `bad_checkpoint`
   */
  static from({ folder, state: json }: Checkpoint, hashes: RunHashes): RunState {
    if (json.format !== FORMAT)
      throw new DataError('bad_checkpoint', `has the format ${json.format}; this version reads ${FORMAT}`, { file: folder });
    const saved = json as unknown as ReturnType<RunState['toJSON']>;
    checkSameFiles(saved.hashes, hashes);
    const { microBatchTokens, time, warmup, keepsReference } = saved;
    const state = new RunState({ microBatchTokens, time, warmup, keepsReference, hashes });
    const { step, cursor, best, lowest, evaluations, sums, rows = state.rows, rollouts = state.rollouts } = saved;
    return Object.assign(state, { step, cursor, best, lowest, evaluations, sums, rows, rollouts });
  }

  /** What the checkpoint's state.json holds. */
  toJSON() {
    const { step, cursor, best, lowest, evaluations, sums, rows, fixed } = this;
    const rollouts = this.rollouts.updates > 0 ? { rollouts: this.rollouts } : {};
    return { format: FORMAT, step, cursor, ...fixed, best, lowest, evaluations, sums, rows, ...rollouts };
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
    this.lowest = lowestOf(this.lowest, event);
  }
}
