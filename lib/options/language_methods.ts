/** Options of the methods that learn from texts and from a teacher: pretrain, sft, distill, mlm, plm. */
import * as z from 'zod';

const labelSmoothing = z
  .number()
  .min(0)
  .lt(1)
  .default(0)
  .describe('Share of the target that is spread evenly over the whole vocabulary; 0 is plain cross-entropy.');

const zLoss = z
  .number()
  .min(0)
  .default(0)
  .describe('Weight of the squared log of the softmax’s denominator, which keeps logits from drifting; 0 is off.');

const maskShare = z.number().gt(0).lt(1).default(0.15).describe('Share of a row’s tokens that are predicted; at least one is.');
const span = (longest: number) =>
  z
    .int()
    .min(1)
    .max(1000)
    .default(longest)
    .describe('Longest run of neighbouring tokens that are predicted together; lengths are drawn evenly from 1 to it.');

export const pretrain = z.strictObject({ name: z.literal('pretrain'), labelSmoothing, zLoss });
export const sft = z.strictObject({ name: z.literal('sft'), labelSmoothing, zLoss });

export const distill = z.strictObject({
  name: z.literal('distill'),
  teacher: z.string().min(1).describe('Folder of the model to learn from; it must have the same vocabulary.'),
  beta: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('0: forward KL, covers all that the teacher says; 1: reverse KL, keeps to its likeliest; between: Jensen-Shannon.'),
  temperature: z.number().gt(0).default(1).describe('Both models’ logits are divided by it; above 1 unlikely tokens count more.'),
  topK: z
    .int()
    .min(1)
    .max(4096)
    .default(64)
    .describe('Likeliest tokens of the teacher that are compared one by one; all others are compared as one.'),
});

export const mlm = z.strictObject({ name: z.literal('mlm'), maskShare, span: span(1) });
export const plm = z.strictObject({
  name: z.literal('plm'),
  maskShare,
  span: span(5),
  maskToken: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Token that stands for what is to be predicted: one of the vocabulary that texts do not use. Default the tokenizer’s mask token.',
    ),
});
