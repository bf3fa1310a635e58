/** The rows of a recipe as training will see them, without training. */
import type { Dataset } from '../../data/index.js';
import { RequestError } from '../../errors/index.js';
import type { ReadRecipe } from '../../recipe/index.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import { hiddenRows, hideableRows, masksOf } from '../step/masks.js';
import { openBase } from './open_base.js';
import { readInput, type TrainInput } from './prepare.js';
import { loadDatasets } from './rows.js';

export interface PreviewOptions {
  /** Rows whose text is kept. */
  rows: number;
  /** Which stage of a recipe with stages, from 1; default the first. */
  stage?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Reads all rows of a recipe's `data`; the first `rows` sequences keep their texts. */
export async function previewRecipe(
  input: TrainInput,
  { rows, stage, signal }: PreviewOptions,
): Promise<{ dataset: Dataset; tokenizer: Tokenizer }> {
  const read = stageOf(readInput(input), stage);
  const { base, tokenizer, recipe } = await openBase(read, { signal });
  const load = loadDatasets(recipe, tokenizer, { place: read.place, signal, keepText: rows });
  const dataset = await load(recipe.data);
  const masks = await masksOf(recipe, tokenizer, base.folder, read.place('method.maskToken'));
  const sequences = [...hiddenRows(hideableRows(dataset.sequences, masks), masks, recipe.train.seed, 1)];
  const counts = masks === undefined ? {} : { trainedTokens: sequences.reduce((sum, one) => sum + one.trainedTokens, 0) };
  const warnings = [...base.warnings, ...dataset.warnings];
  return { dataset: { ...dataset, sequences, warnings, counts: { ...dataset.counts, ...counts } }, tokenizer };
}

/** One stage as a recipe by itself. A model that is yet to be made reads rows as the one that it is made of. */
function stageOf(read: ReadRecipe, number: number | undefined): ReadRecipe {
  const { stages } = read;
  if (number === undefined && stages === undefined) return read;
  const stage = stages?.[(number ?? 1) - 1];
  if (stage === undefined)
    throw new RequestError('bad_option', `there is no stage ${number}: the recipe has ${stages?.length ?? 'no'} stages`);
  if (stage.start.answers !== undefined) {
    const message = `stage ${number} reads the answers that stage ${stage.start.answers.stage + 1} samples: its rows are not there before that has run`;
    throw new RequestError('not_available', message);
  }
  const origin = stages?.slice(0, number).findLast(({ start }) => start.model === undefined) ?? stage;
  return { recipe: { ...stage.recipe, model: origin.recipe.model }, place: stage.place };
}
