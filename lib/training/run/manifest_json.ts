/** manifest.json: what a run was made of, when and where, as it is written before the first step and read by `--resume`. */
import { join } from 'node:path';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { DataError } from '../../errors/index.js';
import { readJson } from '../../files/json_file.js';
import type { Recipe } from '../../recipe/index.js';
import { type Hashes, machine } from './manifest.js';
import type { Rows } from './rows.js';
import type { RunHashes } from './same_files.js';

/** What the file holds. */
export function manifest(
  { folder }: ModelFolder,
  { template }: Recipe,
  { dataset }: Pick<Rows, 'dataset'>,
  { hashes, time }: { hashes: RunHashes; time: string },
): object {
  const { base, tokenizer, data, beside, ids } = hashes;
  return {
    model: { folder, sha256: base },
    tokenizer,
    data: { sha256: data, ids, rows: dataset.counts, files: dataset.mappings },
    beside,
    template,
    time,
    machine: machine(),
  };
}

/**
 * What the file says of a run that was begun: the hashes of all that it is made of, and its time.
 * @throws DataError `bad_checkpoint`, and what reading a JSON file throws
 */
export async function begunWith(out: string): Promise<{ hashes: RunHashes; time: string }> {
  const file = join(out, 'manifest.json');
  const { model, tokenizer, data, beside, time } = await readJson(file);
  const [base, rows] = [model, data] as { sha256: Hashes; ids: string }[];
  if (base?.sha256 === undefined || rows?.ids === undefined || tokenizer === undefined || typeof time !== 'string')
    throw new DataError('bad_checkpoint', 'is not as this version writes it; start anew with another --out', { file });
  const named = { tokenizer: tokenizer as Hashes, beside: beside as Hashes };
  return { hashes: { base: base.sha256, data: rows.sha256, ids: rows.ids, ...named }, time };
}
