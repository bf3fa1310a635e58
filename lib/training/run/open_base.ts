/** The model that a recipe begins with, opened and held against the recipe before any row is read. */

import type { HubOptions } from '../../checkpoint/hub.js';
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder.js';
import { modelPlace } from '../../checkpoint/model_place.js';
import { checkVocabulary } from '../../checkpoint/vocabulary.js';
import { type ErrorPlace, RequestError } from '../../errors/index.js';
import { methods, namesOf } from '../../methods/index.js';
import { contextOf } from '../../network/config.js';
import { type ReadRecipe, type Recipe, withMaxLength } from '../../recipe/index.js';
import { openTokenizer, type Tokenizer } from '../../tokenizer/index.js';
import { trainsScores } from './weights.js';

export interface OpenedBase {
  base: ModelFolder;
  tokenizer: Tokenizer;
  /** With `train.maxLength` as a number. */
  recipe: Recipe & { train: { maxLength: number } };
}

/**
 * Folder, config and tokenizer of the recipe's `model`; no weights are loaded.
 * @throws what opening a model folder and a tokenizer throws; RequestError `wrong_network`, `beyond_context`; DataError `vocabulary_differs`
 */
export async function openBase(read: ReadRecipe, options: HubOptions): Promise<OpenedBase> {
  return openBaseIn(await basePlace(read, options), read);
}

/** Where the recipe's `model` lies, fetched where it is of a hub. */
export const basePlace = ({ recipe }: ReadRecipe, { signal, onDownload }: HubOptions): Promise<string> =>
  modelPlace(recipe.model, { signal, onDownload });

/** As `openBase`, in the folder that `basePlace` gave. */
export async function openBaseIn(folder: string, { recipe, place }: ReadRecipe): Promise<OpenedBase> {
  const base = await openModelFolder(folder, { scores: trainsScores(recipe) });
  checkNetwork(recipe, base, place('method'));
  const fitting = withMaxLength(recipe, contextOf(base.config), place('train.maxLength'));
  const tokenizer = await openTokenizer(base.folder);
  const added = checkVocabulary(base, tokenizer);
  return { base: { ...base, warnings: [...base.warnings, ...added] }, tokenizer, recipe: fitting };
}

/**
 * An encoder sees a whole text at once: it predicts hidden words, and no next ones.
 * @throws RequestError `wrong_network` where the method is for the other kind
 */
function checkNetwork({ method, model }: Pick<Recipe, 'method' | 'model'>, { config }: ModelFolder, place?: ErrorPlace): void {
  const isEncoder = !config.causal;
  const { plan } = methods[method.name].needs;
  if (plan === 'permuted' && config.rotary?.kind === 'dynamic') {
    const order = `method ${method.name} reads texts in an order of its own, and rotary embedding of kind dynamic, which ${model} has, turns by a text's length`;
    throw new RequestError('wrong_network', `${order}; take another method, or another model`, place);
  }
  if (isEncoder === (plan === 'masked')) return;
  const masked = namesOf((needs) => needs.plan === 'masked', 'or');
  const message = isEncoder
    ? `method ${method.name} has a network predict the next token, and ${model} is an encoder, which reads both ways; take ${masked}, or another model`
    : `method ${method.name} needs an encoder (BertForMaskedLM), and ${model} is a decoder, which predicts the next token; take another method, or another model`;
  throw new RequestError('wrong_network', message, place);
}
