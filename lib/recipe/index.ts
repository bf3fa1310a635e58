/** Recipes: one schema for types, defaults, JSON Schema, help and messages. */

export type { Dtype } from '../options/parts.js';
export { type RecipeKey, recipeKeys } from './keys.js';
export type { MethodOptions } from './method.js';
export { parseRecipe, type ReadOptions, type ReadRecipe, type ReadStage, readRecipe } from './read.js';
export {
  broughtAdapter,
  type Difference,
  HARMLESS_KEYS,
  recipeDifferences,
  resolvedRecipe,
  resolvedStages,
  withMaxLength,
} from './resolve.js';
export {
  type AdapterFrom,
  type NewAdapter,
  type Recipe,
  type RecipeInput,
  recipeJsonSchema,
  type StagedInput,
  type StageInput,
  type Train,
} from './schema.js';
export type { StageStart } from './stages.js';
