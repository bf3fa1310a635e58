/** Options of ppo. */
import * as z from 'zod';
import { reference } from '../preference/fields.js';
import { clip, reuse, rewards, sampling } from './fields.js';

const DEFAULT_GAIN = 0.1;

const kl = z
  .strictObject({
    coefficient: z.number().min(0).default(0.05).describe('Weight of the KL in the reward of each token.'),
    estimator: z.enum(['k1', 'k3']).default('k1').describe('k1: the log-ratio, unbiased; k3: never negative and of less variance.'),
    target: z
      .number()
      .gt(0)
      .optional()
      .describe('KL a token that is aimed at: the coefficient follows it. Default: the coefficient is fixed.'),
    gain: z.number().gt(0).max(1).default(DEFAULT_GAIN).describe('How fast the coefficient follows target: at most 20 % of this a step.'),
  })
  .superRefine(({ gain, target }, context) => {
    if (gain === DEFAULT_GAIN || target !== undefined) return;
    context.addIssue({
      code: 'custom',
      path: ['gain'],
      message: 'method.kl.gain has no effect without method.kl.target, which it follows',
    });
  })
  .prefault({})
  .describe('How the policy is held to the reference.');

export const ppoOptions = z.strictObject({
  name: z.literal('ppo'),
  rewards,
  samplesPerPrompt: z.int().min(1).default(1).describe('Answers to each prompt.'),
  ...sampling,
  ...reuse(4),
  clip,
  valueClip: z.number().gt(0).default(0.2).describe('How far a value may move from where it was.'),
  valueWeight: z.number().min(0).default(0.1).describe('Weight of the value’s loss.'),
  gamma: z.number().min(0).max(1).default(1).describe('Discount of rewards for each token that they are later.'),
  lambda: z.number().min(0).max(1).default(0.95).describe('Advantage from one step ahead (0) to the whole answer (1).'),
  kl,
  whitenRewards: z.boolean().default(false).describe('Scale the rewards of the step’s tokens to deviation 1.'),
  missingStopPenalty: z.number().min(0).default(0).describe('Taken off the reward of an answer that never stopped.'),
  value: z.enum(['shared', 'adapter']).default('shared').describe('Where the value head sits: on the policy, or on an adapter of its own.'),
  reference,
});

export type PpoOptions = z.output<typeof ppoOptions>;
