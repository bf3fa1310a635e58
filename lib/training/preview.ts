/** The rows of a recipe as training will see them, without training. */
import { contextOf } from '../checkpoint/config.js';
import { checkVocabulary, openModelFolder } from '../checkpoint/model_folder.js';
import { modelPlace } from '../checkpoint/model_place.js';
import type { Dataset } from '../data/index.js';
import { withMaxLength } from '../options/index.js';
import { openTokenizer, type Tokenizer } from '../tokenizer/index.js';
import { readInput, type TrainInput } from './prepare.js';
import { loadDatasets } from './rows.js';
import { trainsScores } from './weights.js';

export interface PreviewOptions {
  /** Rows whose text is kept. */
  rows: number;
  signal?: AbortSignal | undefined;
}

/** Reads all rows of a recipe's `data`; the first `rows` sequences keep their texts. */
export async function previewRecipe(
  input: TrainInput,
  { rows, signal }: PreviewOptions,
): Promise<{ dataset: Dataset; tokenizer: Tokenizer }> {
  const read = readInput(input);
  const base = await openModelFolder(await modelPlace(read.recipe.model, { signal }), { scores: trainsScores(read.recipe) });
  const recipe = withMaxLength(read.recipe, contextOf(base.config), read.place('train.maxLength'));
  const tokenizer = await openTokenizer(base.folder);
  checkVocabulary(base, tokenizer.vocabularySize);
  const load = loadDatasets(recipe, tokenizer, { place: read.place, signal, keepText: rows });
  return { dataset: await load(recipe.data), tokenizer };
}
