/** The tensors of a model folder as its files have them: one file, or shards that an index names. */
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { type Json, readJsonIfThere } from '../files/json_file.js';
import { exists } from './files.js';
import { type HeaderEntry, readHeader } from './safetensors_header.js';
import type { CheckpointWarning } from './warning.js';

/** A tensor and the file that holds it; its number type may be one that attune does not compute with. */
export interface FoundTensor extends HeaderEntry {
  path: string;
}

export interface FoundTensors {
  byName: Map<string, FoundTensor>;
  warnings: CheckpointWarning[];
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** Constants that older Llama checkpoints hold; they follow from config.json. */
const IGNORED = /\.rotary_emb\.inv_freq$/;

/**
 * Every tensor of the folder by name, from the headers alone. As transformers does, one file goes before an index, and of an index only the names of
 * the files count: a shard's own header says what it holds.
 * @throws DataError `missing_file`, `malformed_json`, `bad_safetensors`
 */
export async function findTensors(folder: string): Promise<FoundTensors> {
  const single = join(folder, SINGLE);
  if (await exists(single)) return { byName: withPrefix(byNameOf(await entriesIn(single))), warnings: [] };
  const index = await readJsonIfThere(join(folder, INDEX));
  if (index === undefined)
    throw new DataError('missing_file', `has neither ${SINGLE} nor ${INDEX}; attune reads safetensors`, { file: folder });
  return shardTensors(folder, index);
}

const byNameOf = (entries: readonly FoundTensor[]) => new Map(entries.map((entry) => [entry.name, entry]));

const entriesIn = async (path: string): Promise<FoundTensor[]> =>
  (await readHeader(path)).filter(({ name }) => !IGNORED.test(name)).map((entry) => ({ ...entry, path }));

async function shardTensors(folder: string, index: Json): Promise<FoundTensors> {
  const file = join(folder, INDEX);
  const told = weightMap(index, file);
  const all: FoundTensor[] = [];
  for (const shard of [...new Set(told.values())].sort()) {
    const path = join(folder, shard);
    if (!(await exists(path))) throw new DataError('missing_file', `no such file, though ${INDEX} names it`, { file: path });
    all.push(...(await entriesIn(path)));
  }
  const byName = byNameOf(all);
  const stale = [...told].filter(([name, shard]) => !IGNORED.test(name) && byName.get(name)?.path !== join(folder, shard));
  return { byName: withPrefix(byName), warnings: staleWarning(stale, byName, file) };
}

/** @throws DataError `malformed_json` */
function weightMap({ weight_map: map }: Json, file: string): Map<string, string> {
  const isMap = map !== null && typeof map === 'object' && !Array.isArray(map);
  if (isMap && Object.values(map).every(isShardName)) return new Map(Object.entries(map as Record<string, string>));
  throw new DataError('malformed_json', 'expected weight_map: names of tensors and the files in this folder that hold them', { file });
}

/** Whether a name stays inside the folder; blanks and folders are fine. */
export const isShardName = (name: unknown): name is string =>
  typeof name === 'string' && /^(?![/\\]|[A-Za-z]:)[^\0]+$/.test(name) && !name.split(/[/\\]/).includes('..');

/** An index that says other things than the files: those of the files count. */
function staleWarning(
  stale: readonly (readonly [string, string])[],
  found: ReadonlyMap<string, FoundTensor>,
  file: string,
): CheckpointWarning[] {
  const [first] = stale;
  if (first === undefined) return [];
  const [name, shard] = first;
  const there = found.get(name);
  const where = there === undefined ? 'no file has it' : `it was read from ${there.path}`;
  const more = stale.length > 1 ? ` (and ${stale.length - 1} more names)` : '';
  return [{ code: 'stale_index', message: `${file}: says that ${name} is in ${shard}, but ${where}${more}` }];
}

/** Names as a network with a head has them: one saved without its head lacks the first part. */
function withPrefix(found: Map<string, FoundTensor>): Map<string, FoundTensor> {
  if (!found.has('embed_tokens.weight') || found.has('model.embed_tokens.weight')) return found;
  const full = (name: string) => (/^(embed_tokens|layers|norm)\./.test(name) ? `model.${name}` : name);
  return byNameOf([...found.values()].map((tensor) => ({ ...tensor, name: full(tensor.name) })));
}
