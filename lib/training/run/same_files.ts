/** Whether the files that a run was made of are still the same, wherever they lie now. */
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { sequencesHash, type Tokens } from '../../data/index.js';
import { RequestError } from '../../errors/index.js';
import type { Recipe } from '../../recipe/index.js';
import { withoutUnused } from '../rollout/rollouts.js';
import { baseHashes, besideHashes, dataHashes, type Hashes, tokenizerHashes } from './manifest.js';

/** Hashes of files by name or path: of the base's network and weights, of what turns texts into ids, of the rows, of the models beside. */
export interface FileHashes {
  base: Hashes;
  tokenizer: Hashes;
  data: Hashes;
  beside: Hashes;
}

/** What a run was made of. */
export interface RunHashes extends FileHashes {
  /** Of the ids that all rows came to: they follow from the files, from the time that templates are told, and from attune itself. */
  ids: string;
}

const IN_WORDS: Record<keyof FileHashes, string> = {
  base: 'the base model',
  tokenizer: 'the base model’s tokenizer or chat template',
  data: 'the data',
  beside: 'a model that the run goes on from or is measured by',
};

/** Hashes of what a recipe names beside its base's weights. */
export type NamedHashes = Omit<FileHashes, 'base'>;

/** Keys that the method has no use for name nothing. @param folder of the base */
export async function recipeHashes(recipe: Recipe, folder: string, signal?: AbortSignal): Promise<NamedHashes> {
  const tokenizer = await tokenizerHashes(folder, signal);
  const used = withoutUnused(recipe).recipe;
  return { tokenizer, data: await dataHashes(used, signal), beside: await besideHashes(used, signal) };
}

/** All hashes of a run whose rows were read. @param known those that were taken before its files were read */
export async function runHashes(
  recipe: Recipe,
  base: ModelFolder,
  { sequences, heldOut }: { sequences: readonly Tokens[]; heldOut: readonly Tokens[] },
  { known, signal }: { known: NamedHashes | undefined; signal?: AbortSignal | undefined },
): Promise<RunHashes> {
  const named = known ?? (await recipeHashes(recipe, base.folder, signal));
  return { base: await baseHashes(base, signal), ...named, ids: sequencesHash([...sequences, ...heldOut]) };
}

/** @throws RequestError `data_changed`, which names the files that are not what they were */
export function checkSameFiles(before: Partial<RunHashes>, now: Partial<RunHashes>): void {
  for (const what of ['base', 'tokenizer', 'data', 'beside'] as const) {
    const [old, own] = [before[what], now[what]];
    if (old === undefined || own === undefined) continue;
    const files = what === 'data' ? changedInOrder(old, own) : changedByName(old, own);
    if (files.length > 0) throw changed(IN_WORDS[what], files.slice(0, 5).join(', '));
  }
  if (before.ids === undefined || now.ids === undefined || before.ids === now.ids) return;
  throw changed('what the rows come to in ids', 'the files are the same, so attune or a package under it is another version');
}

function changed(what: string, which: string): RequestError {
  const message = `${what} changed since the run was begun: ${which}; bring back what was there, or start anew with another --out`;
  return new RequestError('data_changed', message);
}

/** Files of rows may have other names, as long as their bytes come in the same order. */
function changedInOrder(before: Hashes, now: Hashes): string[] {
  const [old, own] = [Object.entries(before), Object.entries(now)];
  const longer = own.length >= old.length ? own : old;
  return longer.filter((_, n) => old[n]?.[1] !== own[n]?.[1]).map(([file]) => file);
}

function changedByName(before: Hashes, now: Hashes): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((name) => before[name] !== now[name]);
  const words = (name: string) => (now[name] === undefined ? ' (gone)' : before[name] === undefined ? ' (new)' : '');
  return names.map((name) => name + words(name));
}
