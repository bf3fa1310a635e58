/** Options of the methods that learn from their own answers: ppo, grpo, rloo; and of sample, which writes answers. Formulas stand in `lib/methods`. */
import * as z from 'zod';
import { reference } from './preference_methods.js';

const weight = z.number().default(1).describe('Factor of this reward in the sum; may be negative.');

const rewards = z
  .array(
    z.union([
      z.strictObject({ model: z.string().min(1).describe('Folder of a reward model or of its adapter.'), weight }),
      z.strictObject({
        function: z
          .string()
          .regex(/^.+#[^#]+$/)
          .meta({ expected: 'FILE#NAME, a module and what it exports, as rewards.mjs#length' })
          .describe('A JavaScript module and its export: async (rows: { prompt, completion, row }[]) => number[].'),
        weight,
        timeoutSeconds: z.number().gt(0).default(60).describe('Longest time for the answers of one step.'),
      }),
    ]),
  )
  .min(1)
  .describe('What judges the answers: reward models, JavaScript functions, or both, added up with their weights.');
const rankedBy = 'What ranks the answers, as rewards of ppo. Left out: people do, in the file of answers, before the next stage.';

const prompts =
  'Most prompts that are answered, in file order: drawn with train.seed, or the first ones where train.shuffle is false. Left out: all.';

/** What is sampled. */
const sampling = {
  maxNewTokens: z.int().min(1).default(64).describe('Most tokens of an answer.'),
  temperature: z.number().gt(0).default(1).describe('Logits are divided by it, in sampling and in training alike.'),
  stop: z.array(z.string().min(1)).default([]).describe('Texts that end an answer, beside the end token.'),
};

/** How often a step's answers are used. */
const reuse = (epochs: number) => ({
  epochs: z.int().min(1).default(epochs).describe('Passes over the answers of a step.'),
  minibatches: z.int().min(1).default(1).describe('Updates of one pass.'),
});

const samplesPerPrompt = (value: number) =>
  z.int().min(2).default(value).describe('Answers to each prompt, which are compared with each other; at least 2.');

const clip = z
  .number()
  .gt(0)
  .lt(1)
  .default(0.2)
  .describe('How far the probability of a token (or answer) may move from where it was: the ratio stays in 1 ± clip.');

const beta = (value: number) => z.number().min(0).default(value).describe('Weight of the KL to the reference; 0 needs no reference.');

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

export const ppo = z.strictObject({
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

const grpoKeys = z.strictObject({
  name: z.literal('grpo'),
  rewards,
  samplesPerPrompt: samplesPerPrompt(8),
  ...sampling,
  ...reuse(1),
  clip,
  clipHigh: z
    .number()
    .gt(0)
    .optional()
    .describe('Upper bound of the ratio above 1 where it is not clip; for cispo the bound itself. Default: clip.'),
  beta: beta(0),
  scaleRewards: z
    .enum(['group', 'batch', 'none'])
    .default('group')
    .describe('Advantages are divided by the rewards’ deviation in the group, in the step, or not.'),
  loss: z
    .enum(['dapo', 'grpo', 'drGrpo', 'bnpo', 'cispo'])
    .default('dapo')
    .describe('What is averaged: all tokens (dapo, bnpo, cispo), each answer first (grpo), or all over maxNewTokens (drGrpo).'),
  importance: z.enum(['token', 'sequence']).default('token').describe('Ratio of each token, or of the whole answer (GSPO).'),
  reference,
});

/** A reference that nothing is held to. */
function checkReference(method: { beta: number; reference: string }, context: z.RefinementCtx): void {
  if (method.beta > 0 || method.reference === 'start') return;
  const message = `method.reference ${method.reference} has no effect with beta 0: nothing is held to it`;
  context.addIssue({ code: 'custom', path: ['reference'], message });
}

function checkGrpo({ loss, clipHigh }: z.output<typeof grpoKeys>, context: z.RefinementCtx): void {
  if (loss !== 'cispo' || (clipHigh ?? 0) > 1) return;
  const came = clipHigh === undefined ? 'is missing' : `is ${clipHigh}`;
  const message = `method.clipHigh ${came}: cispo cuts ratios at clipHigh itself, which must be above 1; 5 is usual`;
  context.addIssue({ code: 'custom', path: ['clipHigh'], message });
}

export const grpo = grpoKeys.superRefine(checkGrpo).superRefine(checkReference);

export const rloo = z
  .strictObject({
    name: z.literal('rloo'),
    rewards,
    samplesPerPrompt: samplesPerPrompt(4),
    ...sampling,
    ...reuse(1),
    beta: beta(0.05),
    clip,
    reference,
  })
  .superRefine(checkReference);

export const sample = z.strictObject({
  name: z.literal('sample'),
  rewards: rewards.optional().describe(rankedBy),
  prompts: z.int().min(1).optional().describe(prompts),
  samplesPerPrompt: samplesPerPrompt(4),
  ...sampling,
});
