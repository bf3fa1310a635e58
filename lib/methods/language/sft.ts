/** Supervised fine-tuning: the answers and their end tokens are trained, the prompts are only read. The loss stands in `cross_entropy.ts`. */
import * as z from 'zod';
import type { Method } from '../method.js';
import { type CrossEntropyOptions, crossEntropy, crossEntropyOutputs } from './cross_entropy.js';
import { labelSmoothing, zLoss } from './fields.js';

export const sftOptions = z.strictObject({ name: z.literal('sft'), labelSmoothing, zLoss });

export const sft: Method<CrossEntropyOptions> = {
  name: 'sft',
  summary: 'Learns to answer as the examples do: for instructions, chats, and tasks with a known right answer.',
  needs: { rows: ['text', 'prompt', 'instruction', 'chat'], trained: 'answers' },
  nats: true,
  options: sftOptions,
  outputs: crossEntropyOutputs,
  divisor: ({ trainedTokens }) => trainedTokens,
  loss: crossEntropy,
};
