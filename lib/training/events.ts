/** What a run tells while it runs: the lines of metrics.jsonl, of `--json`, and what the iterator of `train` yields. */
import type { Counts } from '../data/index.js';

/** Of a recipe with stages: which one an event is of, from 1. */
interface Staged {
  stage?: number;
}

/** A stage of a recipe with stages begins. */
export interface StageEvent {
  event: 'stage';
  stage: number;
  stages: number;
  method: string;
  folder: string;
}

/** Before the first step. */
export interface StartEvent extends Staged {
  event: 'start';
  /** Steps of the whole run; a resumed one goes on after `from`. */
  steps: number;
  from: number;
  /** Numbers that are trained. */
  parameters: number;
  counts: Counts;
  /** Sequences trained on and held out. */
  sequences: number;
  heldOut: number;
  /** Most tokens in flight. */
  microBatchTokens: number;
}

/** One step of the optimiser; the method's own figures stand beside these. */
export interface StepEvent {
  event: 'step';
  /** From 1. */
  step: number;
  /** Over all trained tokens of the step, before its update. */
  loss: number;
  learningRate: number;
  /** L2 over all trained tensors, before clipping. */
  gradientNorm: number;
  /** Of the step's rows, each whole: a prompt counts with each of its answers, as other trainers count it. */
  tokens: number;
  /** Of one pass over them: a prompt that its answers share counts once, as it is computed once. */
  computedTokens: number;
  trainedTokens: number;
  /** `tokens` over the whole time of the step, its reference, rollouts and judges included. */
  tokensPerSecond: number;
  /** Resident memory of the process. */
  memoryMiB: number;
  [metric: string]: number | string;
}

/** Of a run that samples: prompts that have been answered so far. */
export interface SampledEvent extends Staged {
  event: 'sampled';
  prompts: number;
  of: number;
  answers: number;
  /** Sampled since the event before. */
  tokens: number;
  tokensPerSecond: number;
  memoryMiB: number;
  /** Of those answers: mean reward where something rewards them, mean tokens, share that ended by itself. */
  reward?: number;
  completionLength: number;
  stoppedShare: number;
}

/**
 * Held-out rows. Step 0 is before training. Methods that learn to write texts tell mean nats over the trained tokens; those that learn from
 * preferences their own loss and figures.
 */
export interface EvaluationEvent extends Staged {
  event: 'evaluation';
  step: number;
  nll?: number;
  perplexity?: number;
  loss?: number;
  tokens: number;
  [metric: string]: number | string | undefined;
}

export interface CheckpointEvent extends Staged {
  event: 'checkpoint';
  step: number;
  path: string;
}

export interface WarningEvent extends Staged {
  event: 'warning';
  /** The step that showed it; left out where it is of the rows. */
  step?: number;
  code: string;
  message: string;
}

/** The last event of a run that went well. */
export interface DoneEvent {
  event: 'done';
  step: number;
  /** Folder of the adapter or model. */
  output: string;
  /** The step whose weights came out, and why; left out where nothing was held out. */
  weights?: { step: number; why: string };
}

export type TrainingEvent =
  | StageEvent
  | StartEvent
  | SampledEvent
  | StepEvent
  | EvaluationEvent
  | CheckpointEvent
  | WarningEvent
  | DoneEvent;
