/**
 * The options of every method that a recipe may name. A method's file in `lib/methods` reads its options from here, so that the recipe's schema,
 * the command line and the method itself cannot differ.
 */
import * as z from 'zod';
import { distill, mlm, plm, pretrain, sft } from './language_methods.js';
import { cpo, dpo, kto, orpo, reward, simpo } from './preference_methods.js';
import { grpo, ppo, rloo, sample } from './rollout_methods.js';

/** Schema of each method's options, by name; `name` itself is one of the keys. */
export const methodOptions = { pretrain, sft, reward, ppo, dpo, kto, orpo, simpo, cpo, grpo, rloo, sample, distill, mlm, plm };

export type MethodName = keyof typeof methodOptions;
export const METHOD_NAMES = Object.keys(methodOptions) as [MethodName, ...MethodName[]];

type MethodSchema = (typeof methodOptions)[MethodName];
const withOptions = z.discriminatedUnion('name', Object.values(methodOptions) as [MethodSchema, ...MethodSchema[]]);

const byName = z
  .enum(METHOD_NAMES)
  .transform((name): unknown => ({ name }))
  .pipe(withOptions);

/** `method:` of a recipe: a name, or `{ name, …options }`. */
export const methodSchema = z
  .union([byName, withOptions])
  .describe('The objective: a name, or a name with its own options, as { name: sft, labelSmoothing: 0.1 }.')
  .meta({ expected: `${METHOD_NAMES.join(', ')}, or { name, …its options }` });

export type MethodOptions = z.output<typeof methodSchema>;
/** Options of one method. */
export type OptionsOf<Name extends MethodName> = z.output<(typeof methodOptions)[Name]>;
