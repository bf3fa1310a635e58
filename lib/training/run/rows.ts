/** The rows of a run: those to train on and those held out. */

import {
  acceptedRows,
  type Dataset,
  drawn,
  holdOut,
  largestSharedUnit,
  largestUnit,
  loadDataset,
  Random,
  type Tokens,
  type Warning,
} from '../../data/index.js';
import type { ErrorPlace } from '../../errors/index.js';
import { methodOf, methods } from '../../methods/index.js';
import type { DataSource } from '../../options/index.js';
import type { Recipe } from '../../recipe/index.js';
import { openChat, type Tokenizer } from '../../tokenizer/index.js';

export interface Rows {
  /** What was read: the rows to train on, and those of `evaluate.data`. */
  datasets: Dataset[];
  dataset: Dataset;
  sequences: Tokens[];
  heldOut: Tokens[];
  /** Tokens of the longest sequence of all, or of the largest unit whose sequences stay together. */
  longest: number;
  /** The same where what its sequences begin with is computed once. */
  longestShared: number;
  warnings: Warning[];
}

export interface LoadRowsOptions {
  /** Place of a key of the recipe. */
  place?: (key: string) => ErrorPlace;
  signal?: AbortSignal | undefined;
  /** The time that chat templates are told. Default: now. */
  now?: Date;
  /** Sequences whose text is kept. */
  keepText?: number;
}

type WholeRecipe = Recipe & { train: { maxLength: number } };

/** A function that reads files as the recipe has rows read. */
export function loadDatasets(
  recipe: WholeRecipe,
  tokenizer: Tokenizer,
  { now, ...options }: LoadRowsOptions,
): (data: readonly DataSource[]) => Promise<Dataset> {
  const { template, roles, checks, train } = recipe;
  const { trained, plan } = methods[recipe.method.name].needs;
  const { maxLength, overlong } = train;
  const chat = openChat(tokenizer, undefined, now);
  const accepts = acceptedRows(recipe.method.name, Object.fromEntries(Object.values(methods).map(({ name, needs }) => [name, needs.rows])));
  const rankings = methodOf(recipe.method).rankings?.(recipe.method) ?? 'pairs';
  // Hidden words are an encoder's, which reads a begin and an end token around every text.
  const cut = { maxLength, overlong, framed: plan === 'masked' };
  return (data) => loadDataset({ data, tokenizer, chat, template, roles, accepts, rankings, trained, checks, ...cut, ...options });
}

/** @throws DataError with file and line for the first row that is wrong */
export async function loadRows(recipe: WholeRecipe, tokenizer: Tokenizer, options: LoadRowsOptions): Promise<Rows> {
  const load = loadDatasets(recipe, tokenizer, options);
  const dataset = await load(recipe.data);
  const { evaluate } = recipe;
  const other = evaluate?.data === undefined ? undefined : await load(evaluate.data);
  const split = evaluate?.fraction === undefined ? { train: dataset.sequences, heldOut: [] } : holdOut(dataset, evaluate.fraction);
  const heldOut = (other?.sequences ?? split.heldOut).filter(({ trainedTokens }) => trainedTokens > 0);
  const all = [...split.train, ...heldOut];
  const [longest, longestShared] = [largestUnit(all), largestSharedUnit(all)];
  const datasets = other === undefined ? [dataset] : [dataset, other];
  return {
    datasets,
    dataset,
    sequences: split.train,
    heldOut,
    longest,
    longestShared,
    warnings: datasets.flatMap(({ warnings }) => warnings),
  };
}

/** At most `most` of the prompts, in file order: drawn with the seed, or the first ones. Undefined: all. */
export function fewerPrompts(rows: Rows, most: number | undefined, { shuffle, seed }: Pick<Recipe['train'], 'shuffle' | 'seed'>): Rows {
  const there = rows.sequences.length;
  if (most === undefined || most === there) return rows;
  if (most > there) {
    const message = `method.prompts is ${most}, and the data has ${there} prompts: all of them are answered`;
    return { ...rows, warnings: [...rows.warnings, { code: 'fewer_prompts', message }] };
  }
  const all = Array.from(rows.sequences.keys());
  const places = new Set(shuffle ? drawn(all, most, new Random(seed)) : all.slice(0, most));
  const sequences = rows.sequences.filter((_, place) => places.has(place));
  return { ...rows, sequences, longest: largestUnit(sequences), longestShared: largestSharedUnit(sequences) };
}
