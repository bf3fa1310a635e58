/** Options: parts of a recipe that rooms below it read, and what messages about any schema are made of. */
export { isHubId, resolveModel } from './model_name.js';
export type { Checks, DataSource, Dtype, Template } from './parts.js';
export { WRITTEN } from './written.js';
