/** The frozen policy that the KL is measured against, and models beside the one that is trained. */
import { stat } from 'node:fs/promises';
import { type Adapter, refuseHead } from '../../checkpoint/adapter.js';
import { isAdapterFolder } from '../../checkpoint/adapter_folder.js';
import { readAdapter } from '../../checkpoint/adapter_read.js';
import { type ModelFolder, type OpenOptions, openModelFolder } from '../../checkpoint/model_folder.js';
import { loadNative, nativeAdapter } from '../../checkpoint/native_model.js';
import type { CheckpointWarning } from '../../checkpoint/warning.js';
import { DataError } from '../../errors/index.js';
import { ifThere } from '../../errors/system.js';
import type { NativeModel } from '../../native.js';
import { broughtAdapter, type Recipe } from '../../recipe/index.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import { checkTokenizer } from './same_tokenizer.js';

/** A model that is asked and never trained. */
export interface Reference {
  native: NativeModel;
  /** The adapter in use; false: the base alone. */
  adapter: string | false;
}

/** The model that a run trains, loaded. */
export interface LoadedPolicy {
  recipe: Recipe;
  base: ModelFolder;
  tokenizer: Tokenizer;
  native: NativeModel;
  /** As it was before the run; undefined: all weights are trained. */
  adapter: Adapter | undefined;
}

/** Models beside the one that is trained, each loaded once. Where an adapter is trained, its base is frozen and no other is needed. */
export class FrozenModels {
  readonly #loaded = new Map<string, Promise<NativeModel>>();
  readonly #warnings = new Map<string, CheckpointWarning>();

  constructor(
    private readonly compute: Recipe['compute'],
    private readonly trained: { base: ModelFolder; native: NativeModel; isAdapter: boolean },
  ) {}

  static beside({ recipe, base, native, adapter }: LoadedPolicy): FrozenModels {
    return new FrozenModels(recipe.compute, { base, native, isAdapter: adapter !== undefined });
  }

  /** The weights of a folder, frozen: those of the trained model's base where they are the same and stay as they are. */
  async of(folder: ModelFolder): Promise<NativeModel> {
    const { base, native, isAdapter } = this.trained;
    if (isAdapter && folder.folder === base.folder) return native;
    const { dtype, threads } = this.compute;
    const found = this.#loaded.get(folder.folder) ?? loadNative(folder, { dtype, threads });
    this.#loaded.set(folder.folder, found);
    return found;
  }

  /** As `openModelFolder`; what is worth telling of the folder is kept. */
  async open(folder: string, options?: OpenOptions): Promise<ModelFolder> {
    const opened = await openModelFolder(folder, options);
    this.#keep(opened.warnings);
    return opened;
  }

  /** As `readAdapter`; what is worth telling of the folder is kept. */
  async adapter(folder: string, base: ModelFolder): Promise<Adapter> {
    const adapter = await readAdapter(folder, base.config, base.folder);
    this.#keep(adapter.warnings);
    return adapter;
  }

  /** What is worth telling of the folders that were opened: once, however often they were, and not what the trained model's own base has told. */
  get warnings(): CheckpointWarning[] {
    const told = new Set(this.trained.base.warnings.map(({ message }) => message));
    return [...this.#warnings.values()].filter(({ message }) => !told.has(message));
  }

  #keep(warnings: readonly CheckpointWarning[] = []): void {
    for (const warning of warnings) this.#warnings.set(warning.message, warning);
  }

  async dispose(): Promise<void> {
    for (const model of await Promise.allSettled(this.#loaded.values())) if (model.status === 'fulfilled') model.value.dispose();
  }
}

/** Name of the reference among a model's adapters. */
const REFERENCE = 'reference';

/** Opens the reference that a recipe names: `start` (the policy as it was before step 1), `base`, or a folder of an adapter or a model. */
export async function openReference(
  wanted: string,
  { recipe, base, adapter, tokenizer }: Pick<LoadedPolicy, 'recipe' | 'base' | 'adapter' | 'tokenizer'>,
  frozen: FrozenModels,
): Promise<Reference> {
  // A new adapter is zero: there the policy starts as its base.
  const start = broughtAdapter(recipe) === undefined ? undefined : adapter;
  if (wanted === 'start' && start !== undefined) return withAdapter(await frozen.of(base), start, REFERENCE);
  if (wanted === 'start' || wanted === 'base') return { native: await frozen.of(base), adapter: false };
  await checkThere(wanted, REFERENCE);
  await checkTokenizer(wanted, wanted, { base, tokenizer }, REFERENCE);
  if (await isAdapterFolder(wanted)) return frozenAdapter(wanted, base, REFERENCE, frozen);
  const other = await frozen.open(wanted);
  checkSameVocabulary(other, base, REFERENCE);
  return { native: await frozen.of(other), adapter: false };
}

/** A PEFT folder on a base, as a model that is asked. @param name of the adapter among those of its base */
export async function frozenAdapter(folder: string, base: ModelFolder, name: string, frozen: FrozenModels): Promise<Reference> {
  const adapter = await frozen.adapter(folder, base);
  refuseHead(adapter, folder);
  return withAdapter(await frozen.of(base), adapter, name);
}

/** Sets an adapter beside others, to be asked and not trained. */
export async function withAdapter(native: NativeModel, adapter: Adapter, name: string): Promise<Reference> {
  await native.setAdapter({ ...nativeAdapter(adapter), name, train: false });
  return { native, adapter: name };
}

/** @throws DataError `missing_model` */
export async function checkThere(folder: string, who: string): Promise<void> {
  const found = await ifThere(stat(folder), folder);
  if (found === undefined) throw new DataError('missing_model', `no such folder of a ${who}`, { file: folder });
}

/** Ids of one must be those of the other. @throws DataError `vocabulary_differs` */
export function checkSameVocabulary({ folder, config }: ModelFolder, base: ModelFolder, who: string): void {
  if (config.vocabulary === base.config.vocabulary) return;
  const message = `the ${who} has ${config.vocabulary} rows in its vocabulary, the policy ${base.config.vocabulary}`;
  throw new DataError('vocabulary_differs', message, { file: folder });
}
