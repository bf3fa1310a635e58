/** The methods by name. */
import type * as z from 'zod';
import { distill, distillOptions } from './language/distill.js';
import { mlm, mlmOptions } from './language/mlm.js';
import { plm, plmOptions } from './language/plm.js';
import { pretrain, pretrainOptions } from './language/pretrain.js';
import { sft, sftOptions } from './language/sft.js';
import type { Method, Needs, SequenceInput } from './method.js';
import { cpo, cpoOptions } from './preference/cpo.js';
import { dpo } from './preference/dpo.js';
import { dpoOptions } from './preference/dpo_options.js';
import { kto, ktoOptions } from './preference/kto.js';
import { orpo, orpoOptions } from './preference/orpo.js';
import { reward, rewardOptions } from './preference/reward.js';
import { simpo, simpoOptions } from './preference/simpo.js';
import { type GrpoOptions, grpo, grpoOptions } from './rollout/grpo.js';
import { ppo } from './rollout/ppo.js';
import { type PpoOptions, ppoOptions } from './rollout/ppo_options.js';
import { type RlooOptions, rloo, rlooOptions } from './rollout/rloo.js';
import { sample, sampleOptions } from './rollout/sample.js';

export { type Column, type Columns, type GroupCounts, type Numbers, part, type StepCounts, stepCounts } from './columns.js';
export { hidden, hideable, maskRules } from './language/hide.js';
export { type Masked, type MaskRules, masked } from './language/mlm.js';
export { type PermutationRules, type Permuted, permuted, permutedRow } from './language/plm.js';
export type { LossInput, LossOutput, Method, MethodState, Metric, Needs, Output, Prepared, SequenceInput, With } from './method.js';
export { metricMeans, metricSums, stepTotals } from './method.js';
export { DPO_SCORE_LOSSES, type DpoLoss, dpoTerms } from './preference/dpo_options.js';
export { updates } from './rollout/rollouts.js';

/** Schema of each method's options, by name; `name` itself is one of the keys. */
export const methodOptions = {
  pretrain: pretrainOptions,
  sft: sftOptions,
  reward: rewardOptions,
  ppo: ppoOptions,
  dpo: dpoOptions,
  kto: ktoOptions,
  orpo: orpoOptions,
  simpo: simpoOptions,
  cpo: cpoOptions,
  grpo: grpoOptions,
  rloo: rlooOptions,
  sample: sampleOptions,
  distill: distillOptions,
  mlm: mlmOptions,
  plm: plmOptions,
};

export type MethodName = keyof typeof methodOptions;
export const METHOD_NAMES = Object.keys(methodOptions) as [MethodName, ...MethodName[]];
/** Options of one method. */
export type OptionsOf<Name extends MethodName> = z.output<(typeof methodOptions)[Name]>;

export type MethodOptions = OptionsOf<MethodName>;

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

type AnyMethod = Method<MethodOptions, SequenceInput>;

/** The method that options are of. */
export const methodOf = ({ name }: Pick<MethodOptions, 'name'>) => methods[name] as unknown as AnyMethod;

/** Names of the methods that ask for what `fits` says, as `ppo, grpo and rloo`. */
export function namesOf(fits: (needs: Needs) => boolean, last = 'and'): string {
  const names = METHOD_NAMES.filter((name) => fits(methods[name].needs));
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
}

/** Options of the methods that learn from answers of their own. */
export type RolloutOptions = PpoOptions | GrpoOptions | RlooOptions;
export type { PlmOptions } from './language/plm.js';
export type { SpanRules } from './language/spans.js';
export type { RewardSources } from './rollout/fields.js';
export type { SampleOptions } from './rollout/sample.js';
