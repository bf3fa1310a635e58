/** The rows of a run: those to train on and those held out. */
import { type Dataset, holdOut, loadDataset, type Tokens, type Warning } from '../data/index.js';
import type { ErrorPlace } from '../errors/index.js';
import { methods } from '../methods/index.js';
import type { DataSource, Recipe } from '../options/index.js';
import { openChat, type Tokenizer } from '../tokenizer/index.js';

export interface Rows {
  /** What was read: the rows to train on, and those of `evaluate.data`. */
  datasets: Dataset[];
  dataset: Dataset;
  sequences: Tokens[];
  heldOut: Tokens[];
  /** Tokens of the longest sequence of all. */
  longest: number;
  warnings: Warning[];
}

/** @throws DataError with file and line for the first row that is wrong */
export async function loadRows(
  recipe: Recipe & { train: { maxLength: number } },
  tokenizer: Tokenizer,
  place: (key: string) => ErrorPlace,
  signal?: AbortSignal,
): Promise<Rows> {
  const load = (data: readonly DataSource[]) =>
    loadDataset({
      data,
      tokenizer,
      chat: openChat(tokenizer),
      template: recipe.template,
      trained: methods[recipe.method.name].needs.trained,
      checks: recipe.checks,
      maxLength: recipe.train.maxLength,
      overlong: recipe.train.overlong,
      place,
      signal,
    });
  const dataset = await load(recipe.data);
  const { evaluate } = recipe;
  const other = evaluate?.data === undefined ? undefined : await load(evaluate.data);
  const split = evaluate?.fraction === undefined ? { train: dataset.sequences, heldOut: [] } : holdOut(dataset, evaluate.fraction);
  const heldOut = (other?.sequences ?? split.heldOut).filter(({ trainedTokens }) => trainedTokens > 0);
  const longest = [...split.train, ...heldOut].reduce((most, { ids }) => Math.max(most, ids.length), 0);
  const datasets = other === undefined ? [dataset] : [dataset, other];
  return { datasets, dataset, sequences: split.train, heldOut, longest, warnings: datasets.flatMap(({ warnings }) => warnings) };
}
