/** A recipe's schema with `method` narrowed to the method that the recipe names, so that messages speak of that method's options alone. */
import type { JsonSchema } from '../options/json_schema.js';

/** Name of the method in a recipe as written, or undefined. */
export function methodOf(recipe: unknown): string | undefined {
  const method = (recipe as { method?: unknown } | null | undefined)?.method;
  const name = typeof method === 'object' ? (method as { name?: unknown } | null)?.name : method;
  return typeof name === 'string' ? name : undefined;
}

/** The schema as it is where the recipe names no method that there is. */
export function narrowed(schema: JsonSchema, recipe: unknown): JsonSchema {
  const { method } = schema.properties ?? {};
  const own = branchOf(method, methodOf(recipe));
  if (method === undefined || own === undefined) return schema;
  const { anyOf: _, ...rest } = method;
  return { ...schema, properties: { ...schema.properties, method: { ...rest, ...own, description: rest.description } } };
}

/** The branch of a union whose `name` is this one. */
function branchOf(schema: JsonSchema | undefined, name: string | undefined): JsonSchema | undefined {
  if (name === undefined || schema === undefined) return undefined;
  if (schema.properties?.name?.const === name) return schema;
  for (const branch of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    const found = branchOf(branch, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
