/** What a run over recorded preferences needs beside model and rows: the frozen reference, and remarks on the rows. */
import { join } from 'node:path';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, isAdapterFolder } from '../../checkpoint/adapter_folder.js';
import type { Warning } from '../../data/index.js';
import { methods } from '../../methods/index.js';
import { broughtAdapter, type Recipe } from '../../recipe/index.js';
import { cacheFile, computeKnown, type KnownReference, readKnown, writeKnown } from '../reference/cache.js';
import { FrozenModels, type LoadedPolicy, openReference, type Reference } from '../reference/reference.js';
import { checkTokenizer } from '../reference/same_tokenizer.js';
import { baseHashes, type Hashes, hashFile } from './manifest.js';
import type { Rows } from './rows.js';
import type { Fixed } from './state.js';

/** What the recipe's policy is held to, where its method learns from rows and has such a thing. */
function wantedReference({ method }: Pick<Recipe, 'method'>): string | undefined {
  return 'reference' in method && methods[method.name].needs.rollouts !== true ? method.reference : undefined;
}

/** Whether the reference is a second model in memory: where all weights are trained. */
export const needsOtherModel = (recipe: Recipe) => recipe.adapter === null && wantedReference(recipe) !== undefined;

export interface PreferenceSource extends LoadedPolicy {
  rows: Pick<Rows, 'sequences' | 'heldOut'>;
  microBatchTokens: number;
  state: { fixed: Pick<Fixed, 'hashes' | 'keepsReference'> };
}

/** What the policy is held to. */
export interface HeldReference {
  /** Computes; left out where all that is ever asked is known. */
  reference?: Reference;
  /** What was computed before the first step, or by an earlier run. */
  known?: KnownReference;
  /** How it came, for the report. */
  made: 'every step' | 'once' | 'by an earlier run';
  /** Where it is kept. */
  file?: string;
  warnings: Warning[];
  close(): Promise<void>;
}

/** Makes the reference ready beside a loaded model that has taken no step; undefined where the method has none. */
export async function openHeldReference(source: PreferenceSource, signal?: AbortSignal): Promise<HeldReference | undefined> {
  const wanted = wantedReference(source.recipe);
  if (wanted === undefined) return undefined;
  const frozen = FrozenModels.beside(source);
  const open = () => openReference(wanted, source, frozen);
  try {
    const held = source.state.fixed.keepsReference
      ? await keptReference(source, open, frozen, signal)
      : { reference: await open(), made: 'every step' as const, warnings: [] };
    if (held.reference === undefined) await frozen.dispose();
    const warnings = [...held.warnings, ...frozen.warnings];
    return { ...held, warnings, close: () => (held.reference === undefined ? Promise.resolve() : frozen.dispose()) };
  } catch (error) {
    await frozen.dispose();
    throw error;
  }
}

async function keptReference(
  source: PreferenceSource,
  open: () => Promise<Reference>,
  frozen: FrozenModels,
  signal?: AbortSignal,
): Promise<Omit<HeldReference, 'close'>> {
  const { recipe, native, rows, microBatchTokens, state } = source;
  const { base } = state.fixed.hashes;
  const folder = wantedReference(recipe);
  // What an earlier run kept is taken without opening the reference.
  if (folder !== undefined && folder !== 'start' && folder !== 'base') await checkTokenizer(folder, folder, source, 'reference');
  const sequences = [...rows.sequences, ...rows.heldOut];
  const reference = await referenceHashes(source, frozen, signal);
  const file = cacheFile({ recipe, sequences, microBatchTokens, shared: native.sharesBeginnings, base, reference });
  const asksMore = methods[recipe.method.name].columns?.(recipe.method as never).includes('mismatch') ?? false;
  const unread: Warning[] = [];
  const found = await readKnown(file, sequences).catch((error: Error) => {
    unread.push({
      code: 'reference_not_read',
      message: `log-probabilities kept by an earlier run: ${error.message}; they are computed again`,
    });
    return undefined;
  });
  if (found !== undefined)
    return { known: found, made: 'by an earlier run', file, warnings: [], ...(asksMore && { reference: await open() }) };
  const opened = await open();
  const known = await computeKnown(opened, sequences, microBatchTokens, signal);
  const warnings = unread.length > 0 ? unread : await writeKnown(file, known);
  return { known, made: 'once', file, warnings, ...(asksMore && { reference: opened }) };
}

/** Hashes of the files that the reference is made of, which are opened: what is worth telling of them is told whether or not the reference is asked. */
async function referenceHashes({ recipe, base, state }: PreferenceSource, frozen: FrozenModels, signal?: AbortSignal): Promise<Hashes> {
  const wanted = wantedReference(recipe) as string;
  const folder = wanted === 'start' ? broughtAdapter(recipe) : wanted === 'base' ? undefined : wanted;
  if (folder === undefined) return state.fixed.hashes.base;
  if (!(await isAdapterFolder(folder))) return baseHashes(await frozen.open(folder), signal);
  if (wanted !== 'start') await frozen.adapter(folder, base);
  const files = [ADAPTER_CONFIG, ADAPTER_WEIGHTS];
  return Object.fromEntries(await Promise.all(files.map(async (name) => [name, await hashFile(join(folder, name), signal)] as const)));
}
