/** Whether the ids of a tokenizer have rows in a model's embedding. */
import { DataError } from '../errors/index.js';
import type { ModelFolder } from './model_folder.js';
import type { CheckpointWarning } from './warning.js';

/** What is asked of a tokenizer. */
interface Ids {
  /** Largest id + 1. */
  readonly vocabularySize: number;
  /** The same without added tokens at the end. */
  readonly ownVocabularySize: number;
  /** Ids at which generation stops. */
  readonly ends: readonly number[];
  tokenText(id: number): string;
}

/**
 * Checks that every piece of a tokenizer has a row in the embedding. Tokens that were added at the end and have none are no fault as long as no text holds
 * one: rows are checked by `checkIds`.
 * @returns what is worth telling
 * @throws DataError `vocabulary_differs`
 */
export function checkVocabulary({ config, folder }: Pick<ModelFolder, 'config' | 'folder'>, ids: Ids): CheckpointWarning[] {
  const { vocabulary, causal } = config;
  const ends = endWarnings(folder, vocabulary, ids);
  if (ids.vocabularySize <= vocabulary) return ends;
  // Words that an encoder is to find are replaced by any id of the tokenizer.
  if (ids.ownVocabularySize > vocabulary || !causal) {
    const message = `the tokenizer has ${ids.vocabularySize} ids, but the model only ${vocabulary} rows (vocab_size): they do not belong together`;
    throw new DataError('vocabulary_differs', message, { file: folder });
  }
  const first = `${JSON.stringify(ids.tokenText(vocabulary))} (${vocabulary})`;
  const which = ids.vocabularySize === vocabulary + 1 ? `${first} has` : `${first} to ${ids.vocabularySize - 1} have`;
  const message = `${folder}: the tokenizer's added ${which} no row in the embedding of ${vocabulary} rows; a text that holds such an id is refused`;
  return [{ code: 'added_ids', message }, ...ends];
}

/** A model never writes an id without a row, so that nothing would end there. */
function endWarnings(folder: string, vocabulary: number, { ends }: Ids): CheckpointWarning[] {
  const beyond = ends.filter((id) => id >= vocabulary);
  if (beyond.length === 0) return [];
  const which = `eos_token_id ${beyond.join(', ')} of generation_config.json or config.json`;
  return [{ code: 'end_ids', message: `${folder}: ${which} has no row in the embedding of ${vocabulary} rows: nothing ends there` }];
}

/** A row or prompt as ids, and where it comes from. */
interface Row {
  ids: ArrayLike<number>;
  file?: string;
  line?: number;
}

/** @throws DataError `beyond_vocabulary`, with file and line, for the first row that holds an id without a row in the embedding */
export function checkIds(
  rows: Iterable<Row>,
  { config }: Pick<ModelFolder, 'config'>,
  { tokenText }: { tokenText(id: number): string },
): void {
  const { vocabulary } = config;
  for (const { ids, file, line } of rows)
    for (let at = 0; at < ids.length; at++) {
      const id = ids[at] as number;
      if (id < vocabulary) continue;
      const message = `${file === undefined ? 'the text ' : ''}holds ${JSON.stringify(tokenText(id))}, id ${id}, which has no row in the model's embedding of ${vocabulary} rows`;
      throw new DataError('beyond_vocabulary', message, { ...(file !== undefined && { file }), ...(line !== undefined && { line }) });
    }
}
