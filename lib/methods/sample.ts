/**
 * Answers sampled for ranking: the model answers each prompt several times, rewards or people rank the answers, and the next stage learns from the
 * ranking. Nothing is trained here: the loss is zero, and no step is taken.
 */
import { methodOptions, type OptionsOf } from '../options/index.js';
import type { Method } from './method.js';

export const sample: Method<OptionsOf<'sample'>> = {
  name: 'sample',
  summary:
    'Writes several answers to each prompt, ranked by rewards or left to people to rank: rows for a reward model, trained on nothing.',
  needs: { rows: ['prompts'], trained: 'answers', samples: true },
  options: methodOptions.sample,
  outputs: () => [],
  temperature: ({ temperature }) => temperature,
  divisor: () => 1,
  loss: ({ logprob }) => ({ lossSum: 0, gradient: { logprob: new Float32Array(logprob.length) }, metrics: {} }),
};
