/** The methods by name. */
import type { MethodName } from '../options/index.js';
import { cpo } from './cpo.js';
import { distill } from './distill.js';
import { dpo } from './dpo.js';
import { grpo } from './grpo.js';
import { kto } from './kto.js';
import type { Method } from './method.js';
import { mlm } from './mlm.js';
import { orpo } from './orpo.js';
import { plm } from './plm.js';
import { ppo } from './ppo.js';
import { pretrain } from './pretrain.js';
import { reward } from './reward.js';
import { rloo } from './rloo.js';
import { sample } from './sample.js';
import { sft } from './sft.js';
import { simpo } from './simpo.js';

export { type Column, type Columns, type GroupCounts, type Numbers, part, type StepCounts, stepCounts } from './columns.js';
export { hidden, hideable, maskRules } from './hide.js';
export type { LossInput, LossOutput, Method, MethodState, Metric, Needs, Output, Prepared, SequenceInput, With } from './method.js';
export { metricMeans, metricSums, stepTotals } from './method.js';
export { type Masked, type MaskRules, masked } from './mlm.js';
export { type PermutationRules, type Permuted, permuted, permutedRow } from './plm.js';
export { scoreConstants } from './reward.js';
export { updates } from './rollouts.js';

/** Every method. */
export const methods = {
  pretrain,
  sft,
  reward,
  ppo,
  dpo,
  kto,
  orpo,
  simpo,
  cpo,
  grpo,
  rloo,
  sample,
  distill,
  mlm,
  plm,
} satisfies Record<MethodName, Method>;
