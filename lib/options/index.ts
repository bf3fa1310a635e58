/** Recipes: one schema for types, defaults, JSON Schema, help and messages. */
export { type RecipeKey, recipeKeys } from './keys.js';
export { METHOD_NAMES, type MethodName, type MethodOptions, methodOptions, type OptionsOf } from './methods.js';
export type { Dtype } from './parts.js';
export { isHubId, resolveModel } from './paths.js';
export { DPO_SCORE_LOSSES, type DpoLoss, dpoTerms } from './preference_methods.js';
export { parseRecipe, type ReadOptions, type ReadRecipe, type ReadStage, readRecipe } from './read.js';
export {
  broughtAdapter,
  type Difference,
  HARMLESS_KEYS,
  recipeDifferences,
  resolvedRecipe,
  resolvedStages,
  WRITTEN,
  withMaxLength,
} from './resolve.js';
export {
  type AdapterFrom,
  type Checks,
  type DataSource,
  type NewAdapter,
  type Recipe,
  type RecipeInput,
  recipeJsonSchema,
  type StagedInput,
  type StageInput,
  type Template,
  type Train,
} from './schema.js';
export type { StageStart } from './stages.js';
