/** What an adapter_config.json says, and the kinds of adapter that attune does not compute, refused by the key that makes them. */

import type { Fields, Json } from '../files/json_file.js';
import { type FiguresOf, LARGEST_RANK, readPatterns } from './adapter_patterns.js';
import { readSelection, type Selection } from './adapter_selection.js';
import type { CheckpointWarning } from './warning.js';

export interface AdapterSettings {
  rank: number;
  alpha: number;
  rsLora: boolean;
  /** Rank and alpha of single layers; undefined: all layers have those above. */
  figuresOf: FiguresOf | undefined;
  /** Dropout that it was trained with. */
  dropout: number;
  selection: Selection;
  /** Whether a scalar head belongs to it. */
  hasHead: boolean;
  /** Keys that are left out. */
  warnings: CheckpointWarning[];
}

/** Keys that change what an adapter means and that attune does not compute. */
const REFUSED = [
  'use_dora',
  'use_qalora',
  'lora_bias',
  'fan_in_fan_out',
  'layer_replication',
  'target_parameters',
  'trainable_token_indices',
  'alora_invocation_tokens',
  'arrow_config',
  'use_bdlora',
  'megatron_config',
  'kasa_config',
  'velora_config',
  'monteclora_config',
];

/** Keys that say how an adapter was made or is kept, and nothing about what it computes. */
const WITHOUT_EFFECT = [
  'auto_mapping',
  'base_model_name_or_path',
  'corda_config',
  'enable_lora',
  'ensure_weight_tying',
  'eva_config',
  'inference_mode',
  'loftq_config',
  'lora_ga_config',
  'megatron_core',
  'merge_weights',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
];

/** Keys that are read. */
const READ = [
  'peft_type',
  'bias',
  'modules_to_save',
  'r',
  'lora_alpha',
  'lora_dropout',
  'use_rslora',
  'init_lora_weights',
  'rank_pattern',
  'alpha_pattern',
];
const SELECTING = ['target_modules', 'exclude_modules', 'layers_to_transform', 'layers_pattern'];
const KNOWN = new Set([...REFUSED, ...WITHOUT_EFFECT, ...READ, ...SELECTING]);

/** As PEFT has it: false, null, an empty list, object or text count as left out. */
const isSet = (value: unknown) =>
  !(value === undefined || value === null || value === false || value === '') &&
  !(typeof value === 'object' && Object.keys(value as object).length === 0);

/** @throws DataError `bad_adapter` */
export function adapterSettings(json: Json, fields: Fields): AdapterSettings {
  refuseOthers(json, fields);
  refuseChangedBase(fields, json.init_lora_weights);
  // 8 and 8 are PEFT's own where the keys are left out.
  const usual = { rank: fields.count('r', 8, 1, LARGEST_RANK), alpha: fields.number('lora_alpha', 8, 0) };
  return {
    ...usual,
    figuresOf: readPatterns(json, fields, usual),
    rsLora: fields.flag('use_rslora', false),
    dropout: fields.number('lora_dropout', 0),
    selection: readSelection(fields),
    hasHead: isSet(json.modules_to_save) && checkedHead(json, fields),
    warnings: unknownKeys(json, fields),
  };
}

/** PEFT leaves out what it does not know, too, and says so. */
function unknownKeys(json: Json, fields: Fields): CheckpointWarning[] {
  const unknown = Object.keys(json).filter((key) => !KNOWN.has(key) && isSet(json[key]));
  if (unknown.length === 0) return [];
  const why = 'attune does not know this and leaves it out; a newer PEFT may mean something by it';
  return [{ code: 'adapter_keys', message: fields.fault(unknown.slice(0, 5).join(', '), why).message }];
}

/** What to do about an adapter of another kind. */
const MERGED = 'merge it into its base in PEFT (merge_and_unload), and take the merged model';

function refuseOthers(json: Json, fields: Fields): void {
  const type = fields.text('peft_type', 'LORA');
  if (type !== 'LORA') throw fields.fault('peft_type', `${type} is not supported; expected LORA`, 'bad_adapter');
  const refused = REFUSED.find((key) => isSet(json[key]));
  if (refused !== undefined) throw fields.fault(refused, `${fields.shown(refused)} is not supported; ${MERGED}`, 'bad_adapter');
  if (fields.text('bias', 'none') !== 'none')
    throw fields.fault('bias', `${fields.shown('bias')} is not supported; expected none, or ${MERGED}`, 'bad_adapter');
}

/** Initialisations after which the base is what it was: only A and B were set. */
const PLAIN = new Set(['gaussian', 'orthogonal', 'eva', 'mica']);
/** Those that take what A and B begin with out of the base, and say of whose. */
const CHANGES_BASE = /^(pissa|corda|olora|loftq|lora_ga)/;

/** @throws DataError `bad_adapter` where A and B belong to a base that the initialisation has changed: on the plain base they compute something else */
function refuseChangedBase(fields: Fields, value: unknown): void {
  if (value === undefined || value === null || typeof value === 'boolean') return;
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  if (PLAIN.has(name)) return;
  const why = CHANGES_BASE.test(name)
    ? 'changed the weights of the base, and without that change the adapter means something else; save it again in PEFT with path_initial_model_for_weight_conversion, which makes a plain adapter'
    : `is not known; expected true, false, ${[...PLAIN].join(', ')}`;
  throw fields.fault('init_lora_weights', `${fields.shown('init_lora_weights')} ${why}`, 'bad_adapter');
}

const HEADS: readonly unknown[] = ['score', 'classifier'];

/** PEFT lists `classifier` beside `score` for models that may have either. */
function checkedHead({ task_type: task, modules_to_save: saved }: Json, fields: Fields): boolean {
  if (task === 'SEQ_CLS' && Array.isArray(saved) && saved.includes('score') && saved.every((name) => HEADS.includes(name))) return true;
  const expected = `expected null, or ["score"] with task_type SEQ_CLS; with other modules, ${MERGED}`;
  throw fields.fault('modules_to_save', `${fields.shown('modules_to_save')} is not supported; ${expected}`, 'bad_adapter');
}
