/** Ranks and scales that single layers of an adapter have, by patterns of their names, as PEFT reads them (peft/utils/other.py, get_pattern_key). */
import type { Fields, Json } from '../files/json_file.js';
import { compilePattern } from './pattern.js';

/** Largest rank that the kernels take. */
export const LARGEST_RANK = 4096;

/** What an adapter's scale is made of. */
export interface Figures {
  rank: number;
  alpha: number;
}

/** Rank and alpha of a layer, by its full name. */
export type FiguresOf = (layer: string) => Figures;

/**
 * `rank_pattern` and `alpha_pattern`; undefined where neither names a layer.
 * @param usual of layers that no pattern names
 * @throws DataError `bad_config` for a rank or alpha that is none, `bad_adapter` for a pattern that cannot be run
 */
export function readPatterns(json: Json, fields: Fields, usual: Figures): FiguresOf | undefined {
  const ranks = byPattern(json, fields, 'rank_pattern', (group, key) => group.count(key, undefined, 1, LARGEST_RANK));
  const alphas = byPattern(json, fields, 'alpha_pattern', (group, key) => group.number(key, undefined, 0));
  if (ranks === undefined && alphas === undefined) return undefined;
  return (layer) => ({ rank: ranks?.(layer) ?? usual.rank, alpha: alphas?.(layer) ?? usual.alpha });
}

type Read = (group: Fields, key: string) => number;

/** The value of the first pattern, in the file's order, that is a layer's whole name, or all of it behind a dot. */
function byPattern(json: Json, fields: Fields, key: string, read: Read): ((layer: string) => number | undefined) | undefined {
  const group = fields.group(key);
  const keys = Object.keys(json[key] ?? {});
  if (keys.length === 0) return undefined;
  const place = { fault: (message: string) => fields.fault(key, message, 'bad_adapter') };
  const values = keys.map((one) => ({ pattern: compilePattern(`(.*\\.)?(${one})$`, place), value: read(group, one) }));
  return (layer) => values.find(({ pattern }) => pattern.matcher(layer).lookingAt())?.value;
}
