/** What an adapter belongs to, as PEFT keeps it: a name that is opened again wherever that is possible. */
import { isAbsolute, relative, sep } from 'node:path';
import { isHubId } from '../options/index.js';
import { parseHubId } from './hub_files.js';

export interface BaseName {
  /** `base_model_name_or_path` */
  name: string;
  /** `revision` of a name on the hub, where it is not the default one. */
  revision: string | null;
}

/** A folder of the hub's cache, as huggingface_hub lays it out. */
const SNAPSHOT = /[/\\]models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]([^/\\]+)[/\\]?$/;

/**
 * A hub id without its revision, which has a key of its own; a folder in the hub's cache by the id that it was fetched for; any other folder from `from`,
 * where PEFT and transformers look for it too, with `./` in front, as `owner/name` alone would be fetched from the hub where there is no such folder. A
 * folder further off than beside `from` keeps its whole path: from another place on the same machine that is the only name that leads there.
 * @param model a hub id, or an absolute path
 */
export function baseName(model: string, from = process.cwd()): BaseName {
  if (!isAbsolute(model) && isHubId(model)) return hubName(model);
  const [, owner, name, revision] = SNAPSHOT.exec(model) ?? [];
  if (owner !== undefined && name !== undefined && revision !== undefined) return { name: `${owner}/${name}`, revision };
  const path = relative(from, model).split(sep).join('/');
  if (isAbsolute(path) || path.startsWith('../../') || path === '../..') return { name: model, revision: null };
  return { name: path === '..' || path.startsWith('../') ? path : `./${path}`, revision: null };
}

function hubName(id: string): BaseName {
  const { name, revision } = parseHubId(id);
  return { name, revision: revision === 'main' ? null : revision };
}
