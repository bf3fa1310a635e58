/** The frozen policy that the KL is measured against, and models beside the one that is trained. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, refuseHead } from '../checkpoint/adapter.js';
import { readAdapter } from '../checkpoint/adapter_read.js';
import { exists } from '../checkpoint/files.js';
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../checkpoint/native_model.js';
import { DataError } from '../errors/index.js';
import type { NativeModel } from '../native.js';
import type { Recipe } from '../options/index.js';

/** A model that is asked and never trained. */
export interface Reference {
  native: NativeModel;
  /** The adapter in use; false: the base alone. */
  adapter: string | false;
}

/** Models beside the one that is trained, each loaded once. Where an adapter is trained, its base is frozen and no other is needed. */
export class FrozenModels {
  readonly #loaded = new Map<string, Promise<NativeModel>>();

  constructor(
    private readonly compute: Recipe['compute'],
    private readonly trained: { base: ModelFolder; native: NativeModel; isAdapter: boolean },
  ) {}

  /** The weights of a folder, frozen: those of the trained model's base where they are the same and stay as they are. */
  async of(folder: ModelFolder): Promise<NativeModel> {
    const { base, native, isAdapter } = this.trained;
    if (isAdapter && folder.folder === base.folder) return native;
    const { dtype, threads } = this.compute;
    const found = this.#loaded.get(folder.folder) ?? loadNative(folder, { dtype, threads });
    this.#loaded.set(folder.folder, found);
    return found;
  }

  async dispose(): Promise<void> {
    for (const model of await Promise.allSettled(this.#loaded.values())) if (model.status === 'fulfilled') model.value.dispose();
  }
}

/** Name of the reference among a model's adapters. */
const REFERENCE = 'reference';

/**
 * Opens the reference that a recipe names: `start` (the policy as it was before step 1), `base`, or a folder of an adapter or a model.
 * @param adapter that the policy starts from; undefined where all weights are trained
 */
export async function openReference(
  wanted: string,
  base: ModelFolder,
  adapter: { start: Adapter; brought: boolean } | undefined,
  frozen: FrozenModels,
): Promise<Reference> {
  if (wanted === 'start' && adapter?.brought === true) return withAdapter(await frozen.of(base), adapter.start);
  if (wanted === 'start' || wanted === 'base') return { native: await frozen.of(base), adapter: false };
  if (await exists(join(wanted, 'adapter_config.json'))) {
    const other = await readAdapter(wanted, base.config);
    refuseHead(other, wanted);
    return withAdapter(await frozen.of(base), other);
  }
  return { native: await frozen.of(await otherModel(wanted, base)), adapter: false };
}

async function withAdapter(native: NativeModel, adapter: Adapter): Promise<Reference> {
  await native.setAdapter({ ...nativeAdapter(adapter), name: REFERENCE, train: false });
  return { native, adapter: REFERENCE };
}

async function otherModel(folder: string, base: ModelFolder): Promise<ModelFolder> {
  await stat(folder).catch((cause) => {
    throw new DataError('missing_model', 'no such folder of a reference', { file: folder, cause });
  });
  const other = await openModelFolder(folder);
  if (other.config.vocabulary === base.config.vocabulary) return other;
  const message = `the reference has ${other.config.vocabulary} rows in its vocabulary, the policy ${base.config.vocabulary}`;
  throw new DataError('vocabulary_differs', message, { file: folder });
}
