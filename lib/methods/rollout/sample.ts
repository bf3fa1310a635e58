/**
 * Answers sampled for ranking: the model answers each prompt several times, rewards or people rank the answers, and the next stage learns from the
 * ranking. Nothing is trained here: the loss is zero, and no step is taken.
 */
import * as z from 'zod';
import type { Method } from '../method.js';
import { rewards, samplesPerPrompt, sampling } from './fields.js';

const rankedBy = 'What ranks the answers, as rewards of ppo. Left out: people do, in the file of answers, before the next stage.';
const prompts =
  'Most prompts that are answered, in file order: drawn with train.seed, or the first ones where train.shuffle is false. Left out: all.';

export const sampleOptions = z.strictObject({
  name: z.literal('sample'),
  rewards: rewards.optional().describe(rankedBy),
  prompts: z.int().min(1).optional().describe(prompts),
  samplesPerPrompt: samplesPerPrompt(4),
  ...sampling,
});

export type SampleOptions = z.output<typeof sampleOptions>;

export const sample: Method<SampleOptions> = {
  name: 'sample',
  summary:
    'Writes several answers to each prompt, ranked by rewards or left to people to rank: rows for a reward model, trained on nothing.',
  needs: { rows: ['prompts'], trained: 'answers', samples: true },
  options: sampleOptions,
  waits: ({ rewards }) => rewards === undefined,
  outputs: () => [],
  temperature: ({ temperature }) => temperature,
  divisor: () => 1,
  loss: ({ logprob }) => ({ lossSum: 0, gradient: { logprob: new Float32Array(logprob.length) }, metrics: {} }),
};
