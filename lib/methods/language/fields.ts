/** Options that several methods of language share. */
import * as z from 'zod';

export const labelSmoothing = z
  .number()
  .min(0)
  .lt(1)
  .default(0)
  .describe('Share of the target that is spread evenly over the whole vocabulary; 0 is plain cross-entropy.');

export const zLoss = z
  .number()
  .min(0)
  .default(0)
  .describe('Weight of the squared log of the softmax’s denominator, which keeps logits from drifting; 0 is off.');

/** Of the methods that hide words. */
export const maskShare = z.number().gt(0).lt(1).default(0.15).describe('Share of a row’s tokens that are predicted; at least one is.');
export const span = (longest: number) =>
  z
    .int()
    .min(1)
    .max(1000)
    .default(longest)
    .describe('Longest run of neighbouring tokens that are predicted together; lengths are drawn evenly from 1 to it.');
