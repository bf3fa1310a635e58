/** Options that several methods with answers of their own share. */
import * as z from 'zod';

const weight = z.number().default(1).describe('Factor of this reward in the sum; may be negative.');

export const rewards = z
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

export type RewardSources = z.output<typeof rewards>;

/** What is sampled. */
export const sampling = {
  maxNewTokens: z.int().min(1).default(64).describe('Most tokens of an answer.'),
  temperature: z.number().gt(0).default(1).describe('Logits are divided by it, in sampling and in training alike.'),
  stop: z.array(z.string().min(1)).default([]).describe('Texts that end an answer, beside the end token.'),
};

/** How often a step's answers are used. */
export const reuse = (epochs: number) => ({
  epochs: z.int().min(1).default(epochs).describe('Passes over the answers of a step.'),
  minibatches: z.int().min(1).default(1).describe('Updates of one pass.'),
});

export const samplesPerPrompt = (value: number) =>
  z.int().min(2).default(value).describe('Answers to each prompt, which are compared with each other; at least 2.');

export const clip = z
  .number()
  .gt(0)
  .lt(1)
  .default(0.2)
  .describe('How far the probability of a token (or answer) may move from where it was: the ratio stays in 1 ± clip.');

export const beta = (value: number) =>
  z.number().min(0).default(value).describe('Weight of the KL to the reference; 0 needs no reference.');

/** A reference that nothing is held to. */
export function checkReference(method: { beta: number; reference: string }, context: z.RefinementCtx): void {
  if (method.beta > 0 || method.reference === 'start') return;
  const message = `method.reference ${method.reference} has no effect with beta 0: nothing is held to it`;
  context.addIssue({ code: 'custom', path: ['reference'], message });
}
