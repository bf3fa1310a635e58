/** The cases of `test/reference/methods.json` as steps. */

import type { MethodName } from '../../lib/methods/index.js';
import recordedFile from '../reference/methods.json' with { type: 'json' };
import { flat, layout, type Outputs, type StepInput } from './step.js';

export interface RecordedCase {
  method: MethodName;
  options: Record<string, unknown>;
  source: 'trl' | 'plain';
  loss: number;
  gradient: Record<string, number[][] | number[]>;
  metrics: Record<string, number>;
  /** Where the case has other rows than its method's own. */
  data?: 'rankings';
  /** Added to all references. */
  shift?: number;
  advantages?: number[];
  prepared?: { advantage: number[]; returns: number[] };
  given?: { ids: number[][]; teacher: number[][]; candidates: number[][]; probabilities: number[][]; temperature: number };
}

export const recorded = recordedFile.cases as unknown as RecordedCase[];
const { pairs, thumbs, rankings, rollouts } = recordedFile.data;

/** The columns and outputs that a case was recorded on. */
export function stepOf(one: RecordedCase): StepInput {
  switch (one.method) {
    case 'kto':
      return thumbsStep(one.shift ?? 0);
    case 'reward':
      return one.data === 'rankings' ? rankingsStep() : scoresStep();
    case 'orpo':
      return one.options.likelihood === 'full' ? promptedStep() : pairsStep();
    case 'ppo':
    case 'grpo':
    case 'rloo':
      return rolloutsStep(one.method);
    case 'distill':
      return distillStep(one.given!);
    default:
      return pairsStep();
  }
}

function pairsStep(): StepInput {
  const columns = { ...layout(pairs.logprob, pairs.group), reference: flat(pairs.reference) };
  return { columns, outputs: { logprob: flat(pairs.logprob) } };
}

/** Log-probabilities of the prompts, too. */
function promptedStep(): StepInput {
  const rows = pairs.logprob.map((row, s) => [...pairs.promptLogprob[s]!, ...row]);
  const promptTokens = Int32Array.from(pairs.promptLogprob, (row) => row.length);
  return { columns: { ...layout(rows, pairs.group), promptTokens }, outputs: { logprob: flat(rows) } };
}

function scoresStep(): StepInput {
  const columns = {
    ...layout(
      pairs.score.map(() => []),
      pairs.group,
    ),
    margin: Float64Array.from(pairs.margin),
  };
  return { columns, outputs: { logprob: new Float64Array(0), score: Float64Array.from(pairs.score) } };
}

function rankingsStep(): StepInput {
  const columns = {
    ...layout(
      rankings.score.map(() => []),
      rankings.group,
    ),
    rank: Float64Array.from(rankings.rank),
  };
  return { columns, outputs: { logprob: new Float64Array(0), score: Float64Array.from(rankings.score) } };
}

function thumbsStep(shift: number): StepInput {
  const columns = {
    ...layout(thumbs.logprob, thumbs.group),
    reference: flat(thumbs.reference).map((one) => one + shift),
    label: Float64Array.from(thumbs.label),
    mismatch: Float64Array.from(thumbs.mismatch),
  };
  return { columns, outputs: { logprob: flat(thumbs.logprob) } };
}

function rolloutsStep(method: MethodName): StepInput {
  const columns = {
    ...layout(rollouts.logprob, rollouts.group),
    reference: flat(rollouts.reference),
    reward: Float64Array.from(rollouts.reward),
    stopped: Float64Array.from(rollouts.stopped),
  };
  const outputs = (logprob: number[][], value: number[][]): Outputs => ({
    logprob: flat(logprob),
    entropy: flat(rollouts.entropy),
    ...(method === 'ppo' ? { value: flat(value) } : {}),
  });
  return { columns, outputs: outputs(rollouts.logprob, rollouts.value), ahead: outputs(rollouts.old, rollouts.oldValue) };
}

function distillStep({ teacher, candidates }: NonNullable<RecordedCase['given']>): StepInput {
  const rows = [[0, 0, 0], [0, 0], [0]]; // three sequences of the six tokens; their own log-probabilities are not in the loss
  return {
    columns: { ...layout(rows, [0, 1, 2]), teacher: flat(teacher) },
    outputs: { logprob: flat(rows), candidates: flat(candidates) },
  };
}
