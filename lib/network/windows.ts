/** Sliding windows as config.json of the Qwen families tells them. */
import type { Fields } from '../files/json_file.js';

/** Only with `use_sliding_window`; then `layer_types`, or layers from `max_window_layers` on. */
export function qwenWindows(fields: Fields, layers: number): number[] {
  const window = fields.flag('use_sliding_window', false) ? fields.count('sliding_window', fields.states('sliding_window') ? 0 : 4096) : 0;
  if (!fields.has('layer_types')) {
    const first = fields.count('max_window_layers', 28, 0);
    return Array.from({ length: layers }, (_, layer) => (layer >= first ? window : 0));
  }
  const types = fields.texts('layer_types');
  if (types.length !== layers) throw fields.fault('layer_types', `has ${types.length} entries for num_hidden_layers ${layers}`);
  const unknown = types.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (unknown !== undefined)
    throw fields.fault('layer_types', `"${unknown}" is not supported; expected full_attention or sliding_attention`);
  return types.map((type) => (type === 'sliding_attention' ? window : 0));
}
