/** Rotary embedding as config.json tells it: `rope_parameters`, or the older `rope_theta` beside `rope_scaling` with `type` or `rope_type`. */

import type { Fields } from '../files/json_file.js';
import type { RotaryConfig } from '../native.js';
import { MOST } from './most.js';

const KINDS: Record<string, RotaryConfig['kind']> = {
  default: 'standard',
  linear: 'linear',
  dynamic: 'dynamic',
  llama3: 'llama3',
  yarn: 'yarn',
};

/** Rope scalings that attune knows, by their names in config.json. */
const ROPE_TYPES = Object.keys(KINDS);

/**
 * @param context `max_position_embeddings`
 * @throws DataError `unknown_rope_scaling`, `bad_config`
 */
export function rotaryOf(fields: Fields, context: number): RotaryConfig {
  const rope = fields.group(fields.has('rope_scaling') ? 'rope_scaling' : 'rope_parameters');
  const kind = kindOf(rope);
  const base = rope.number('rope_theta', fields.number('rope_theta', 10000, 0), 0);
  const plain: RotaryConfig = {
    kind,
    base,
    factor: 1,
    lowFreqFactor: 1,
    highFreqFactor: 1,
    originalContext: context,
    context,
    betaFast: 32,
    betaSlow: 1,
    attentionFactor: 1,
  };
  if (kind === 'standard') return plain;
  const factor = rope.number('factor', undefined, 0);
  if (kind === 'linear' || kind === 'dynamic') return { ...plain, factor };
  // A place of its own beside rope_scaling goes before the one inside; without either it is the context.
  const originalContext = fields.count(
    'original_max_position_embeddings',
    rope.count('original_max_position_embeddings', context, 1, MOST.tokens),
    1,
    MOST.tokens,
  );
  return kind === 'llama3' ? llama3(rope, { ...plain, factor, originalContext }) : yarn(rope, { ...plain, factor, originalContext });
}

function kindOf(rope: Fields): RotaryConfig['kind'] {
  const key = rope.has('rope_type') ? 'rope_type' : 'type';
  const type = rope.text(key, 'default');
  const kind = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (kind === undefined)
    throw rope.fault(key, `the rope scaling "${type}" is not supported; supported are ${ROPE_TYPES.join(', ')}`, 'unknown_rope_scaling');
  if (rope.number('partial_rotary_factor', 1) !== 1) throw rope.fault('partial_rotary_factor', 'is not supported; expected 1');
  return kind;
}

function llama3(rope: Fields, plain: RotaryConfig): RotaryConfig {
  const [lowFreqFactor, highFreqFactor] = [rope.number('low_freq_factor', undefined, 0), rope.number('high_freq_factor', undefined, 0)];
  if (lowFreqFactor >= highFreqFactor)
    throw rope.fault('low_freq_factor', `${lowFreqFactor} must be below high_freq_factor ${highFreqFactor}`);
  return { ...plain, lowFreqFactor, highFreqFactor };
}

function yarn(rope: Fields, plain: RotaryConfig): RotaryConfig {
  if (!rope.flag('truncate', true)) throw rope.fault('truncate', 'false is not supported; expected true');
  const attentionFactor = rope.number('attention_factor', attentionFactorOf(rope, plain.factor), 0);
  return { ...plain, attentionFactor, betaFast: rope.number('beta_fast', 32, 0), betaSlow: rope.number('beta_slow', 1, 0) };
}

/** 0.1 ln(factor) + 1; a quotient of two such where `mscale` and `mscale_all_dim` are given (DeepSeek's form). */
function attentionFactorOf(rope: Fields, factor: number): number {
  const scale = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const [one, all] = [rope.number('mscale', 0), rope.number('mscale_all_dim', 0)];
  return one !== 0 && all !== 0 ? scale(one) / scale(all) : scale(1);
}
