/** Mean nats a token over rows, as a model without any padding sees them: what `attune evaluate` answers. */
import { resolve } from 'node:path';
import { checkIds } from '../checkpoint/vocabulary.js';
import { loadDataset, microBatches, packBatch, type Tokens, type Warning } from '../data/index.js';
import { DataError, RequestError, WorkError } from '../errors/index.js';
import type { NativeModel } from '../native.js';
import type { Template } from '../options/index.js';
import { openChat } from '../tokenizer/index.js';
import { MASK_SHARE, refuseAnswers, withHiddenWords } from './hidden_words.js';
import type { LoadedModel } from './loaded.js';

/** Rows to measure a model on. */
export interface EvaluationData {
  /** Files or globs. */
  data: string | readonly string[];
  /** Rows are cut after so many tokens; default: the model's context. */
  maxLength?: number | undefined;
  /** How fields become text; default `auto`. */
  template?: Template | undefined;
  /** Only the tokens of answers count, their end token included. Default: every token but a row's first. */
  trainedOnly?: boolean | undefined;
  /** Is told what is remarkable about the rows, which are read all the same. */
  onWarning?: ((warning: Warning) => void) | undefined;
  onProgress?: ((done: { rows: number; of: number }) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Evaluation {
  /** Mean of -log p over the predicted tokens. */
  nll: number;
  /** e to the power of `nll`. */
  perplexity: number;
  /** Predicted tokens. */
  tokens: number;
  rows: number;
  /** Of an encoder: share of the tokens that were hidden, and predicted. */
  maskShare?: number;
}

/**
 * Of an encoder: of 15 % of the words, hidden from a fixed seed.
 * @throws RequestError `beyond_context`, `wrong_network`; DataError for files and rows that are wrong, `nothing_to_evaluate`, `missing_mask`
 */
export async function evaluateModel(model: LoadedModel, options: EvaluationData): Promise<Evaluation> {
  const { maxLength = model.context, trainedOnly = false, template = 'auto', signal } = options;
  if (maxLength > model.context)
    throw new RequestError('beyond_context', `the maximal length ${maxLength} is beyond the model's context of ${model.context} tokens`);
  refuseAnswers(model, trainedOnly);
  const isEncoder = !model.base.config.causal;
  const paths = typeof options.data === 'string' ? [options.data] : options.data;
  const dataset = await loadDataset({
    data: paths.map((path) => ({ path: resolve(path), weight: 1 })),
    tokenizer: model.tokenizer,
    chat: openChat(model.tokenizer),
    template,
    trained: trainedOnly ? 'answers' : 'all',
    // A text is measured as it stands; an answer with its end token, as it is trained.
    end: isEncoder ? 'always' : 'answers',
    checks: { nothingTrained: 'drop', noStop: 'keep', doubleBos: 'keep' },
    maxLength,
    overlong: 'truncate',
    framed: isEncoder,
    signal,
  }).catch((error) => Promise.reject(nothingLeft(error)));
  for (const warning of dataset.warnings) options.onWarning?.(warning);
  checkIds(dataset.sequences, model.base, model.tokenizer);
  const sequences = isEncoder ? withHiddenWords(model, dataset.sequences) : dataset.sequences;
  const { sum, tokens } = await sumOfNats(model.native, sequences, options);
  return {
    nll: sum / tokens,
    perplexity: Math.exp(sum / tokens),
    tokens,
    rows: dataset.counts.kept,
    ...(isEncoder && { maskShare: MASK_SHARE }),
  };
}

function nothingLeft(error: unknown): unknown {
  if (!(error instanceof DataError) || error.code !== 'nothing_trained' || error.line !== undefined) return error;
  return new DataError('nothing_to_evaluate', 'no row has a token to predict', { file: error.file, cause: error });
}

/** Tokens in one pass: enough for the matrix kernels, few enough for any memory. */
const PASS_TOKENS = 2048;

/** Sum of -log p over the trained tokens of sequences, in their order, and the number of those tokens. */
async function sumOfNats(native: NativeModel, sequences: readonly Tokens[], { onProgress, signal }: EvaluationData) {
  let [sum, tokens, rows] = [0, 0, 0];
  for (const group of microBatches(sequences, [...sequences.keys()], PASS_TOKENS)) {
    signal?.throwIfAborted();
    const batch = packBatch(sequences, group);
    const { logprob } = await native.forward(batch);
    for (const value of logprob) sum -= value;
    if (!Number.isFinite(sum)) throw notFinite(group, sequences);
    tokens += logprob.length;
    rows += group.length;
    onProgress?.({ rows, of: sequences.length });
  }
  return { sum, tokens };
}

function notFinite(group: Int32Array, sequences: readonly Tokens[]): WorkError {
  const [first] = group;
  const { file, line } = sequences[first as number] as Tokens;
  return new WorkError(
    'loss_not_finite',
    `the model gives no finite probability from here on: it has diverged, or overflows in this dtype`,
    { file, line },
  );
}
