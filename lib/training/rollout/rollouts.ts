/** What a run with rollouts needs beside model and prompts: judges, reference, value head. */

import type { Adapter } from '../../checkpoint/adapter.js';
import { newAdapter } from '../../checkpoint/adapter_new.js';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { nativeAdapter } from '../../checkpoint/native_model.js';
import type { TrainedSet } from '../../checkpoint/resume.js';
import type { Warning } from '../../data/index.js';
import { type ErrorPlace, RequestError } from '../../errors/index.js';
import type { RolloutOptions } from '../../methods/index.js';
import { methodOf, methods } from '../../methods/index.js';
import type { NativeModel } from '../../native.js';
import { contextOf } from '../../network/config.js';
import type { Recipe } from '../../recipe/index.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import { FrozenModels, type LoadedPolicy, openReference, type Reference } from '../reference/reference.js';
import { closeAll, Judges, type openRewardFunctions } from './judges.js';

/** Options of the recipe's method, where it learns from its own answers. */
export function rolloutOptions({ method }: Recipe): RolloutOptions | undefined {
  return methods[method.name].needs.rollouts === true ? (method as RolloutOptions) : undefined;
}

/** Whether its answers are held to a reference. */
export function heldRollouts(recipe: Recipe): boolean {
  const options = rolloutOptions(recipe);
  return options !== undefined && methodOf(options).columns?.(options).includes('reference') === true;
}

/** Where the recipe wants a value head: on the policy, on an adapter of its own, or nowhere. */
export const valuePlace = ({ method }: Recipe) => methodOf(method).valueHead?.(method);

/** Name of the adapter that carries the value head, where it has one of its own. */
const VALUE = 'value';

/** Refusals that need no model. */
export function checkRollouts(recipe: Recipe, place: (key: string) => ErrorPlace): void {
  if (valuePlace(recipe) !== 'adapter' || recipe.adapter !== null) return;
  const message =
    'method.value: adapter needs an adapter to train: beside trained weights a value adapter has no ground; use value: shared';
  throw new RequestError('bad_recipe', message, place('method.value'));
}

/** Whether a method drops inputs of an adapter: those that learn what texts say. The others compare answers, which another draw would move apart. */
export const dropsInputs = ({ method }: Pick<Recipe, 'method'>) => methods[method.name].needs.rows.some((kind) => kind === 'text');

/** The recipe without keys that its method has no use for (held-out rows where the model writes the answers itself), and remarks on these and on dropout. */
export function withoutUnused<R extends Recipe>(recipe: R): { recipe: R; warnings: Warning[] } {
  const { method, evaluate, adapter, train } = recipe;
  const warnings: Warning[] = [];
  const isRollout = rolloutOptions(recipe) !== undefined;
  if (isRollout && evaluate !== null)
    warnings.push({ code: 'evaluation_unused', message: `${method.name} has no held-out nats: evaluate is left out; watch reward and kl` });
  if ((adapter?.dropout ?? 0) > 0 && !dropsInputs(recipe)) {
    const acting = Object.values(methods).filter(({ name }) => dropsInputs({ method: { name } as Recipe['method'] }));
    const message = `${method.name} compares answers with nothing dropped, as TRL does: adapter.dropout is left out; it acts in ${acting.map(({ name }) => name).join(', ')}`;
    warnings.push({ code: 'dropout_unused', message });
  }
  return { recipe: isRollout ? { ...recipe, evaluate: null, train: { ...train, earlyStopping: null } } : recipe, warnings };
}

/** Sets of trained tensors of a run, by which a checkpoint names them. */
export const trainedSets = (recipe: Recipe): TrainedSet[] =>
  valuePlace(recipe) === 'adapter' ? [{ prefix: '' }, { prefix: `${VALUE}.`, adapter: VALUE }] : [{ prefix: '' }];

/** @throws RequestError `beyond_context` where an answer could grow out of the model's context */
export function checkRoom(recipe: Recipe, base: ModelFolder, longestPrompt: number, place: ErrorPlace): void {
  const options = rolloutOptions(recipe);
  const context = contextOf(base.config);
  if (options === undefined || longestPrompt + options.maxNewTokens <= context) return;
  const message = `method.maxNewTokens ${options.maxNewTokens} after the longest prompt, ${longestPrompt} tokens, is beyond the model's context of ${context}; lower it, or train.maxLength`;
  throw new RequestError('beyond_context', message, place);
}

/** Gives the policy its value head, zeros at first: what is expected of every token is learnt from nothing. */
export async function addValueHead(native: NativeModel, recipe: Recipe, base: ModelFolder, adapter: Adapter | undefined): Promise<void> {
  const value = valuePlace(recipe);
  if (value === undefined) return;
  if (value === 'adapter' && adapter !== undefined) {
    const { rank, alpha, rsLora } = adapter;
    const targets = adapter.targets.map(({ name }) => name);
    const own = newAdapter({ rank, alpha, rsLora, targets, dropout: 0, seed: recipe.train.seed }, base.config);
    await native.setAdapter({ ...nativeAdapter(own), name: VALUE, train: true });
  }
  await native.setHead(new Float32Array(base.config.hidden), value === 'adapter' ? VALUE : undefined);
}

export interface RolloutParts {
  judges: Judges;
  reference: Reference | undefined;
  /** The adapter of the value head, where it has one of its own. */
  valueSet: string | undefined;
  /** What is worth telling of the folders of judges and reference. */
  warnings: Warning[];
  close(): Promise<void>;
}

export interface RolloutSource extends LoadedPolicy {
  tokenizer: Tokenizer;
  microBatchTokens: number;
}

/** Opens judges and reference beside a loaded model. `functions` are closed with the rest, also where this fails. */
export async function openRollouts(
  source: RolloutSource,
  functions: Awaited<ReturnType<typeof openRewardFunctions>>,
): Promise<RolloutParts> {
  const { recipe, base, tokenizer, microBatchTokens } = source;
  const options = rolloutOptions(recipe) as RolloutOptions;
  const frozen = FrozenModels.beside(source);
  const close = async () => {
    await closeAll(functions);
    await frozen.dispose();
  };
  try {
    const judges = await Judges.open(options.rewards, functions, { base, tokenizer, microBatchTokens }, frozen);
    const reference = heldRollouts(recipe) ? await openReference(options.reference, source, frozen) : undefined;
    const { warnings } = frozen;
    return { judges, reference, valueSet: valuePlace(recipe) === 'adapter' ? VALUE : undefined, warnings, close };
  } catch (error) {
    await close();
    throw error;
  }
}
