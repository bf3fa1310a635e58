/** Files to tokens: every row read, mapped, encoded, checked, cut and counted. */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type AttuneError, DataError } from '../../errors/index.js';
import type { Bundle } from './bundle.js';
import { Collector } from './collect.js';
import type { Counts, Dataset, DatasetOptions } from './dataset.js';
import { type Encoded, encodeExamples } from './encode.js';
import { mappedExamples } from './examples.js';

/** Rows encoded at once: enough for the tokenizer's threads, few enough that timers and signals are heard. */
const BATCH = 64;

/**
 * Reads all data of a recipe.
 * @throws DataError with file and line for the first row that is wrong; `nothing_trained` where no row is left
 */
export async function loadDataset(options: DatasetOptions): Promise<Dataset> {
  const counts: Counts = { in: 0, kept: 0, dropped: {}, split: 0, truncated: 0, pieces: 0, tokens: 0, trainedTokens: 0 };
  const dataset: Dataset = { sequences: [], sources: options.data, counts, mappings: [], warnings: [] };
  const collector = new Collector(dataset, options);
  let batch: Bundle[] = [];
  const encodeBatch = async () => {
    options.signal?.throwIfAborted();
    for (const [n, encoded] of (await encodeBundles(batch, options)).entries()) collector.add(batch[n] as Bundle, encoded);
    batch = [];
    await yieldToEventLoop();
  };
  for await (const one of mappedExamples(options, dataset)) if (batch.push(one) === BATCH) await encodeBatch();
  await encodeBatch();
  if (dataset.sequences.length === 0) throw nothingLeft(counts, options);
  collector.finish();
  return dataset;
}

/** The encoded sequences of each row. */
async function encodeBundles(bundles: readonly Bundle[], { tokenizer, trained, end = 'always' }: DatasetOptions): Promise<Encoded[][]> {
  const examples = bundles.flatMap((bundle) => bundle.examples);
  const whole = await encodeExamples(examples, tokenizer, { trained, end });
  let next = 0;
  return bundles.map((bundle) => {
    const first = next;
    next += bundle.examples.length;
    return whole.slice(first, next);
  });
}

function nothingLeft({ in: rows, dropped }: Counts, { data }: DatasetOptions): AttuneError {
  const reasons = Object.entries(dropped).map(([reason, n]) => `${reason} ${n}`);
  const long = dropped.overlong || dropped.nothing_trained || dropped.equal_when_cut;
  const advice = long ? 'raise train.maxLength, or look at the rows with attune preview' : 'look at the rows with attune preview';
  const left = dropped.nothing_trained ? 'has a trained token left' : 'is left';
  const message = `nothing to train on: of ${rows} rows none ${left} (dropped: ${reasons.join(', ')}); ${advice}`;
  return new DataError('nothing_trained', message, { file: data[0]?.path ?? '' });
}
