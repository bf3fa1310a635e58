/** Pre-training and continued pre-training: every token of a text but its first is trained. The loss stands in `cross_entropy.ts`. */
import * as z from 'zod';
import type { Method } from '../method.js';
import { type CrossEntropyOptions, crossEntropy, crossEntropyOutputs } from './cross_entropy.js';
import { labelSmoothing, zLoss } from './fields.js';

export const pretrainOptions = z.strictObject({ name: z.literal('pretrain'), labelSmoothing, zLoss });

export const pretrain: Method<CrossEntropyOptions> = {
  name: 'pretrain',
  summary: 'Learns to continue text: for a domain, a language or a style, from documents as they are.',
  needs: { rows: ['text', 'prompt', 'instruction', 'chat'], trained: 'all' },
  nats: true,
  options: pretrainOptions,
  outputs: crossEntropyOutputs,
  divisor: ({ trainedTokens }) => trainedTokens,
  loss: crossEntropy,
};
