/** The keys of a recipe as a flat list, for `--help`, `--set` and the documentation. */
import { expectation } from '../options/expectation.js';
import type { JsonSchema } from '../options/json_schema.js';
import { describedSchema, STAGES } from './schema.js';

export interface RecipeKey {
  /** Dotted name, as `--set` takes it. */
  key: string;
  /** What a value must be. */
  expected: string;
  description: string;
  /** The default, where it depends on nothing else. */
  default?: unknown;
  required: boolean;
}

/** Every key of a recipe with its description, in the order of the schema. */
export function recipeKeys(): RecipeKey[] {
  const stages = { key: 'stages', expected: 'a list of groups, each with the keys of a recipe', description: STAGES, required: false };
  return [...keysOf(describedSchema(), ''), stages];
}

function keysOf(schema: JsonSchema, prefix: string): RecipeKey[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const group = [inner, ...(inner.anyOf ?? [])].find((part) => part.properties !== undefined);
    const own: RecipeKey = {
      key: prefix + name,
      expected: expectation(inner),
      description: inner.description ?? '',
      required: schema.required?.includes(name) ?? false,
      ...(inner.default === undefined ? {} : { default: inner.default }),
    };
    return group === undefined || name === 'template' ? [own] : [own, ...keysOf(group, `${prefix}${name}.`)];
  });
}
