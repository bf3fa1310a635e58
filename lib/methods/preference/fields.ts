/** Options that several methods of preferences share. */
import * as z from 'zod';

export const beta = (value: number, meaning: string) => z.number().gt(0).default(value).describe(meaning);

export const reference = z
  .string()
  .min(1)
  .default('start')
  .describe(
    'What the policy is held to: start (the policy before step 1), base (the model without adapter), or the folder of an adapter or model.',
  );

export const sftWeight = (value: number) =>
  z.number().min(0).default(value).describe('Weight of the chosen answers’ negative log-likelihood beside the preference; 0 is off.');

export const noise = z.number().min(0).lt(0.5).default(0).describe('Share of pairs that are taken to be the wrong way round.');
