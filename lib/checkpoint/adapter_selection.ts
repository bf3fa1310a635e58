/** Which layers an adapter_config.json means, as PEFT reads it (peft/tuners/tuners_utils.py, check_target_module_exists). */
import type { Fields } from '../files/json_file.js';
import { compilePattern } from './pattern.js';

/** The keys that choose layers, each as it stands in the file; those that are empty there are left out. */
export interface Selection {
  /** Names that end a layer's name, or a pattern for all of it, or `all-linear`. */
  targetModules: string | readonly string[];
  /** Layers that are left out, told in the same way. */
  excludeModules?: string | readonly string[];
  /** Numbers of the blocks that have layers of the adapter. */
  layersToTransform?: number | readonly number[];
  /** Pattern of the name in front of a block's number; undefined: any. */
  layersPattern?: string | readonly string[];
}

/** @throws DataError `bad_adapter` for values that PEFT refuses, too */
export function readSelection(fields: Fields): Selection {
  const targetModules = fields.textOrTexts('target_modules');
  if (targetModules === undefined)
    throw fields.fault('target_modules', 'is missing or empty; expected names, a pattern or all-linear', 'bad_adapter');
  const excludeModules = fields.textOrTexts('exclude_modules');
  const layersToTransform = fields.countOrCounts('layers_to_transform');
  const layersPattern = fields.textOrTexts('layers_pattern');
  if (layersToTransform !== undefined && typeof targetModules === 'string')
    throw fields.fault('layers_to_transform', 'goes with a list of target_modules only, not with a pattern', 'bad_adapter');
  if (layersPattern !== undefined && layersToTransform === undefined)
    throw fields.fault('layers_pattern', 'goes with layers_to_transform only', 'bad_adapter');
  return {
    targetModules,
    ...(excludeModules !== undefined && { excludeModules }),
    ...(layersToTransform !== undefined && { layersToTransform }),
    ...(layersPattern !== undefined && { layersPattern }),
  };
}

type Match = (name: string) => boolean;

/** A function that says whether a layer is meant. @throws DataError `bad_adapter` for a pattern that cannot be run */
export function selector(selection: Selection, fields: Pick<Fields, 'fault'>): Match {
  const { targetModules, excludeModules = [] } = selection;
  const isTarget = isAllLinear(targetModules) ? () => true : namesOrPattern(targetModules, fields, 'target_modules');
  const isExcluded = namesOrPattern(excludeModules, fields, 'exclude_modules');
  const isInBlock = blocks(selection, fields);
  return (name) => isTarget(name) && !isExcluded(name) && isInBlock(name);
}

export const isAllLinear = (modules: Selection['targetModules']) => typeof modules === 'string' && modules.toLowerCase() === 'all-linear';

/** Whether a name of a list is this layer's, or ends it. */
export const endsIn = (name: string, end: string) => name === end || name.endsWith(`.${end}`);

function namesOrPattern(value: string | readonly string[], fields: Pick<Fields, 'fault'>, key: string): Match {
  if (typeof value !== 'string') return (name) => value.some((one) => endsIn(name, one));
  const pattern = compilePattern(value, { fault: (message) => fields.fault(key, message, 'bad_adapter') });
  return (name) => pattern.matches(name);
}

/** Blocks by their numbers: the first number behind a name of `layers_pattern`, or behind any name. */
function blocks({ layersToTransform, layersPattern }: Selection, fields: Pick<Fields, 'fault'>): Match {
  if (layersToTransform === undefined) return () => true;
  const wanted = new Set([layersToTransform].flat());
  const place = { fault: (message: string) => fields.fault('layers_pattern', message, 'bad_adapter') };
  const names = layersPattern === undefined ? [] : [layersPattern].flat();
  const sources = names.length === 0 ? ['.*?\\.[^.]*\\.(?P<idx>\\d+)\\.'] : names.map((one) => `(?:^|.*?\\.)${one}\\.(?P<idx>\\d+)\\.`);
  const patterns = sources.map((source) => compilePattern(source, place));
  return (name) => {
    for (const pattern of patterns) {
      const found = pattern.matcher(name);
      if (found.lookingAt()) return wanted.has(Number(found.group('idx')));
    }
    return false;
  };
}
