/**
 * The options of every method that a recipe may name. A method's file in `lib/methods` reads its options from here, so that the recipe's schema,
 * the command line and the method itself cannot differ.
 */
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

const pretrain = z.strictObject({ name: z.literal('pretrain'), labelSmoothing, zLoss });
const sft = z.strictObject({ name: z.literal('sft'), labelSmoothing, zLoss });

/** Schema of each method's options, by name; `name` itself is one of the keys. */
export const methodOptions = { pretrain, sft };

/** Names of the methods that run. */
export const METHOD_NAMES = ['pretrain', 'sft'] as const;
export type MethodName = (typeof METHOD_NAMES)[number];

/** Names that the contract knows and that this version refuses. */
export const LATER_METHODS = ['reward', 'ppo', 'dpo', 'kto', 'orpo', 'simpo', 'cpo', 'grpo', 'rloo', 'distill', 'mlm', 'plm'] as const;

/** `method:` of a recipe: a name, or `{ name, …options }`. */
export const methodSchema = z
  .union([z.enum(METHOD_NAMES), z.discriminatedUnion('name', [pretrain, sft])])
  .transform((method) => (typeof method === 'string' ? methodOptions[method].parse({ name: method }) : method))
  .describe('The objective: a name, or a name with its own options, as { name: sft, labelSmoothing: 0.1 }.');

export type MethodOptions = z.output<typeof methodSchema>;
