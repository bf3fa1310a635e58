/** What a reward model thinks of rows: what `attune score-reward` answers. */
import { resolve } from 'node:path';
import { checkIds } from '../checkpoint/vocabulary.js';
import { loadDataset, microBatches, packBatch, type Tokens, type Warning } from '../data/index.js';
import { DataError, WorkError } from '../errors/index.js';
import type { NativeModel } from '../native.js';
import type { Template } from '../options/index.js';
import { openChat } from '../tokenizer/index.js';
import type { LoadedModel } from './loaded.js';

/** Rows to score: `{ prompt, completion }`, texts, chats, or whatever sft takes. */
export interface ScoredData {
  /** Files or globs. */
  data: string | readonly string[];
  /** How fields become text; default `auto`. */
  template?: Template | undefined;
  /** Is told what is remarkable about the rows, which are read all the same. */
  onWarning?: ((warning: Warning) => void) | undefined;
  onProgress?: ((done: { rows: number; of: number }) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Scores {
  /** One a row, in the order of the files: as the head gives it, at the row's end token, not normalised. */
  scores: number[];
}

/** @throws DataError for files and rows that are wrong, and `overlong` for rows that the model cannot see whole */
export async function scoreModel(model: LoadedModel, options: ScoredData): Promise<Scores> {
  const { data, template = 'auto', onWarning, onProgress, signal } = options;
  const paths = typeof data === 'string' ? [data] : data;
  const { sequences, counts, warnings } = await loadDataset({
    data: paths.map((path) => ({ path: resolve(path), weight: 1 })),
    tokenizer: model.tokenizer,
    chat: openChat(model.tokenizer),
    template,
    trained: 'answers',
    // A text is scored at an end token, too.
    end: 'always',
    checks: { nothingTrained: 'error', noStop: 'keep', doubleBos: 'keep' },
    maxLength: model.context,
    overlong: 'drop',
    signal,
  });
  for (const warning of warnings) onWarning?.(warning);
  checkIds(sequences, model.base, model.tokenizer);
  const { overlong = 0 } = counts.dropped;
  if (overlong > 0) throw tooLong(overlong, model.context, paths[0] ?? '');
  return { scores: await scoresOf(model.native, sequences, { onProgress, signal }) };
}

function tooLong(rows: number, context: number, file: string): DataError {
  const what = rows === 1 ? '1 row is' : `${rows} rows are`;
  return new DataError('overlong', `${what} longer than the model's context of ${context} tokens, so that the end cannot be scored`, {
    file,
  });
}

/** Tokens in one pass: enough for the matrix kernels, few enough for any memory. */
const PASS_TOKENS = 2048;

async function scoresOf(native: NativeModel, sequences: readonly Tokens[], { onProgress, signal }: Omit<ScoredData, 'data'>) {
  const scores: number[] = [];
  for (const group of microBatches(sequences, [...sequences.keys()], PASS_TOKENS)) {
    signal?.throwIfAborted();
    const batch = packBatch(sequences, group);
    const targets = new Int32Array(batch.targets.length).fill(-1);
    const { score = [] } = await native.forward({ ...batch, targets, scoreRows: batch.scoreAt });
    for (const value of score) if (scores.push(value) && !Number.isFinite(value)) throw notFinite(sequences[scores.length - 1] as Tokens);
    onProgress?.({ rows: scores.length, of: sequences.length });
  }
  return scores;
}

const notFinite = ({ file, line }: Tokens) =>
  new WorkError('loss_not_finite', 'the score is no finite number: the model has diverged, or overflows in this dtype', { file, line });
