/**
 * Proximal policy optimisation (Schulman et al. 2017; for language models Ziegler et al. 2019, Stiennon et al. 2020): the policy writes answers, a judge
 * rewards them, a value head says what was to be expected of each token, and the policy moves a little towards what was better than that.
 *
 *     loss = Σ_t max(-A ρ, -A clip(ρ, 1 ± clip)) + valueWeight × ½ max((V - R)², (clip(V, V_old ± valueClip) - R)²)      ρ = π(y_t) / π_old(y_t)
 *
 * A advantage and R return of each token, made once a step from rewards, KL penalty and values: `ppo_prepare.ts`. An update's loss is the mean over its
 * tokens. A step has epochs × minibatches updates.
 */

import { divided } from '../answers.js';
import type { LossOutput, Method, With } from '../method.js';
import { type PpoOptions, ppoOptions } from './ppo_options.js';
import { preparePpo } from './ppo_prepare.js';
import { clippedRatio, entropyMetric } from './rollouts.js';

type Input = With<'old' | 'oldValue' | 'advantage' | 'returns' | 'value'>;
type Step = With<'reference' | 'value' | 'reward' | 'stopped'>;

export const ppo: Method<PpoOptions, Input, Step> = {
  name: 'ppo',
  summary:
    'Learns from its own answers what a judge rewards, token by token with a value head: the classic last step after a reward model.',
  needs: { rows: ['prompts'], trained: 'answers', rollouts: true },
  options: ppoOptions,
  outputs: () => ['value', 'entropy'],
  temperature: ({ temperature }) => temperature,
  columns: () => ['reference', 'reward', 'stopped'],
  looksAhead: () => true,
  valueHead: ({ value }) => value,
  prepare: preparePpo,
  divisor: ({ trainedTokens }) => trainedTokens,
  loss,
};

function loss(input: Input, { clip, valueClip, valueWeight }: PpoOptions): LossOutput {
  const { logprob, old, value, oldValue, advantage, returns, divisor } = input;
  const count = logprob.length;
  const [byLogprob, byValue] = [new Float64Array(count), new Float64Array(count)];
  let [policyLoss, valueLoss, clipped] = [0, 0, 0];
  for (let t = 0; t < count; t++) {
    const ratio = Math.exp(logprob[t]! - old[t]!);
    const policy = clippedRatio(ratio, advantage[t]!, 1 - clip, 1 + clip);
    const [worth, slope] = clippedSquare(value[t]!, oldValue[t]!, returns[t]!, valueClip);
    policyLoss += policy.loss;
    valueLoss += worth;
    clipped += policy.clipped ? 1 : 0;
    byLogprob[t] = policy.slope * ratio;
    byValue[t] = valueWeight * slope;
  }
  return {
    lossSum: policyLoss + valueWeight * valueLoss,
    gradient: { logprob: divided(byLogprob, divisor), value: divided(byValue, divisor) },
    metrics: {
      policyLoss: { sum: policyLoss, count },
      valueLoss: { sum: valueLoss, count },
      clipFraction: { sum: clipped, count },
      ...entropyMetric(input),
    },
  };
}

/** ½ max((V - R)², (clip(V, V_old ± bound) - R)²), and its derivative by V. */
function clippedSquare(value: number, old: number, goal: number, bound: number): [loss: number, slope: number] {
  const held = Math.min(old + bound, Math.max(old - bound, value));
  const [free, bounded] = [(value - goal) ** 2, (held - goal) ** 2];
  return bounded > free ? [0.5 * bounded, held === value ? held - goal : 0] : [0.5 * free, value - goal];
}
