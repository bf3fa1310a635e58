/**
 * The recipe's one schema. Types, defaults, the JSON Schema for editors, `--help` and every message about a recipe are derived from it.
 * Defaults that depend on other keys (learning rate, alpha, seed of the adapter) are filled in here too, so that a parsed recipe is whole.
 */
import * as z from 'zod';
import { methodOf, namesOf, type SampleOptions } from '../methods/index.js';
import type { JsonSchema } from '../options/json_schema.js';
import { adapterSchema, checksSchema, computeSchema, dataSchema, evaluateSchema, rolesSchema, templateSchema } from '../options/parts.js';
import { methodSchema } from './method.js';
import { trainSchema } from './train.js';

const keys = z.strictObject({
  model: z.string().min(1).describe('The base model: a Hugging Face folder, or a hub id owner/name[@revision].'),
  compute: computeSchema,
  adapter: adapterSchema,
  method: methodSchema,
  data: dataSchema,
  template: templateSchema,
  roles: rolesSchema,
  checks: checksSchema,
  train: trainSchema.prefault({}).describe('How rows make steps and how steps move the weights.'),
  evaluate: evaluateSchema,
  out: z.string().min(1).optional().describe('Folder for what the run makes; the option --out wins over it.'),
});

type Keys = z.output<typeof keys>;

/** Faults that lie between groups. */
function check(recipe: Keys, context: z.RefinementCtx): void {
  const { name } = recipe.method;
  const { needsOthers } = methodOf(recipe.method);
  if (needsOthers !== undefined && 'rowsPerStep' in recipe.train && recipe.train.rowsPerStep === 1) {
    const message = `train.rowsPerStep must be at least 2 for ${name}, which ${needsOthers}, not 1`;
    context.addIssue({ code: 'custom', path: ['train', 'rowsPerStep'], message });
  }
  if (recipe.train.earlyStopping === null || recipe.evaluate !== null) return;
  context.addIssue({
    code: 'custom',
    path: ['train', 'earlyStopping'],
    message: 'train.earlyStopping needs evaluate: it watches the held-out rows',
  });
}

/** A new adapter with every figure settled. */
export interface NewAdapter {
  rank: number;
  alpha: number;
  targets: 'all-linear' | string[];
  dropout: number;
  rsLora: boolean;
  seed: number;
}

/** An adapter that goes on from a PEFT folder, which brings rank, alpha, targets and rsLora. */
export interface AdapterFrom {
  from: string;
  dropout: number;
  seed: number;
}

function wholeAdapter(adapter: Keys['adapter'], trainSeed: number): NewAdapter | AdapterFrom | null {
  if (adapter === null) return null;
  const { from, dropout, seed = trainSeed, rank = 16, alpha = 2 * rank, targets = 'all-linear', rsLora = false } = adapter;
  return from === undefined ? { rank, alpha, targets, dropout, rsLora, seed } : { from, dropout, seed };
}

/** The schema itself. Read recipes with `readRecipe` or `parseRecipe`, which give messages with places. */
export const recipeSchema = keys.superRefine(check).transform((recipe) => {
  const { learningRate = recipe.adapter === null ? 2e-5 : 2e-4, ...train } = recipe.train;
  return { ...recipe, adapter: wholeAdapter(recipe.adapter, train.seed), train: { ...train, learningRate } };
});

/** A recipe as a user writes it: everything that has a default may be left out. */
export type RecipeInput = z.input<typeof recipeSchema>;

type Lent<Method> = Method extends { rewards: unknown } ? Omit<Method, 'rewards'> & Partial<Pick<Method, 'rewards'>> : Method;

/** A stage as a user writes it: what stands outside may be left out, and so may rewards behind a reward stage. */
export type StageInput = Partial<Omit<RecipeInput, 'method' | 'out' | 'data'>> & {
  method: Lent<RecipeInput['method']>;
  data?: RecipeInput['data'] | { stage: SampleOptions['name']; weight?: number }[];
};

/** A recipe with stages as a user writes it. */
export type StagedInput = Partial<Omit<RecipeInput, 'method'>> & { stages: StageInput[] };

type Parsed = z.output<typeof recipeSchema>;

/** How many rows or tokens make a step, and how many steps there are: one of each pair. */
export type Train = Omit<Parsed['train'], 'tokensPerStep' | 'rowsPerStep' | 'steps' | 'epochs'> & {
  tokensPerStep?: number;
  rowsPerStep?: number;
  steps?: number;
  epochs?: number;
};

/** A recipe with every default filled in. */
export type Recipe = Omit<Parsed, 'train'> & { train: Train };

/** JSON Schema (draft 2020-12) of a recipe, for editors: `# yaml-language-server: $schema=…`. */
export function recipeJsonSchema(): Record<string, unknown> {
  const withoutNotes = (key: string, value: unknown) => (key === 'expected' ? undefined : value);
  const { required, properties, ...whole } = JSON.parse(JSON.stringify(describedSchema(), withoutNotes));
  const { out: _, ...ofStage } = properties;
  // A stage may leave to an earlier one what a recipe by itself must name.
  const lent = (key: string, value: unknown) =>
    key === 'required' && Array.isArray(value) ? value.filter((one) => one !== 'rewards') : value;
  const { data } = ofStage;
  data.anyOf.at(-1).items.anyOf.push(SAMPLED);
  const stage = { type: 'object', properties: JSON.parse(JSON.stringify(ofStage, lent)), additionalProperties: false };
  const stages = { type: 'array', minItems: 1, items: stage, description: STAGES };
  return { ...whole, properties: { ...properties, stages }, anyOf: [{ required }, { required: ['stages'] }] };
}

/** The method that samples, by which a stage names the answers of an earlier one. */
export const SAMPLING = namesOf(({ samples }) => samples === true);

/** A source of a stage: what an earlier one sampled. */
const SAMPLED = {
  type: 'object',
  properties: { stage: { const: SAMPLING, description: `The answers that the last stage with method: ${SAMPLING} wrote.` } },
  required: ['stage'],
};

/** What `stages` is. */
export const STAGES = `In place of method: one after the other, each going on from the last that is no reward; keys outside are their defaults. ${namesOf(({ rollouts }) => rollouts === true)} without rewards take the reward stage before them; data: [{ stage: ${SAMPLING} }] are the answers of the ${SAMPLING} stage before.`;

/** The JSON Schema with our notes (`expected`), from which messages and `--help` are written. */
export function describedSchema(): JsonSchema {
  described ??= z.toJSONSchema(recipeSchema, { io: 'input' }) as JsonSchema;
  return described;
}

let described: JsonSchema | undefined;
