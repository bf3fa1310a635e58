/** `method:` of a recipe: any of the methods, each with its own options. */
import * as z from 'zod';
import { METHOD_NAMES, type MethodName, methodOptions } from '../methods/index.js';

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
