/** Merging with its proof: the merged folder is written, opened again and compared with base and adapter. */
import { resolve } from 'node:path';
import { refuseHead } from '../checkpoint/adapter.js';
import { readAdapter } from '../checkpoint/adapter_read.js';
import { checkNewFolder } from '../checkpoint/files.js';
import type { HubOptions } from '../checkpoint/hub.js';
import { mergeAdapter } from '../checkpoint/merge.js';
import { openModelFolder } from '../checkpoint/model_folder.js';
import { modelPlace } from '../checkpoint/model_place.js';
import type { CheckpointWarning } from '../checkpoint/warning.js';
import type { StoredType } from '../native.js';
import { type JudgedParity, parityOf } from './parity.js';

export interface MergeOptions extends HubOptions {
  /** Hugging Face folder or hub id. */
  model: string;
  /** PEFT folder. */
  adapter: string;
  /** Folder to make. */
  out: string;
  /** Number type of the merged tensors; default: each as the base stores it. */
  dtype?: StoredType | undefined;
  threads?: number | 'auto' | undefined;
  /** Is told what is worth knowing of the files, which are opened all the same. */
  onWarning?: ((warning: CheckpointWarning) => void) | undefined;
}

export interface MergeResult {
  out: string;
  parity: JudgedParity;
}

/**
 * Merges an adapter into its base: W + scale · B A, in f32 from the base's stored numbers. The folder appears whole.
 * @throws RequestError `output_exists`, `not_writable`; DataError for files that are missing or wrong; WorkError `disk_full`
 */
export async function merge({ model, adapter: adapterFolder, out, dtype, threads, onWarning, ...hub }: MergeOptions): Promise<MergeResult> {
  await checkNewFolder(out, 'choose another --out or delete it');
  const base = await openModelFolder(await modelPlace(model, hub));
  const adapter = await readAdapter(adapterFolder, base.config, base.folder);
  refuseHead(adapter, adapterFolder);
  for (const warning of [...base.warnings, ...(adapter.warnings ?? [])]) onWarning?.(warning);
  await mergeAdapter({ base, adapter, out: resolve(out), dtype, signal: hub.signal });
  return { out, parity: await parityOf(base, adapter, out, threads) };
}
