/** A checkpoint's config.json as a network: sizes, facts, and the table of its tensors. Each family has a file in families/. */
import { DataError } from '../errors/index.js';
import { Fields, type Json } from '../files/json_file.js';
import type { NetworkConfig } from '../native.js';
import { bert } from './families/bert.js';
import { llama } from './families/llama.js';
import { mistral } from './families/mistral.js';
import { qwen2 } from './families/qwen2.js';
import { qwen3 } from './families/qwen3.js';
import type { Family } from './family.js';

/** Families that attune knows: a new one is a file of its own and an entry here. */
export const FAMILIES: readonly Family[] = [llama, mistral, qwen2, qwen3, bert];

const CAUSAL = 'ForCausalLM';
const SCORES = 'ForSequenceClassification';

export const rewardArchitecture = (name: string) => name.replace(CAUSAL, SCORES);
const causalArchitecture = (name: string) => name.replace(SCORES, CAUSAL);

const rewardArchitectures = new Set(
  FAMILIES.map(({ architecture }) => architecture).flatMap((name) => (name.endsWith(CAUSAL) ? [rewardArchitecture(name)] : [])),
);

/** Whether config.json is of a network that scores sequences and writes none: it has a head `score.weight` in place of `lm_head.weight`. */
export const scoresSequences = ({ architectures }: Json) =>
  Array.isArray(architectures) && architectures.some((name) => rewardArchitectures.has(name));

/**
 * Reads a network from the content of config.json.
 * @param file path of config.json, for messages
 * @throws DataError `unknown_architecture`, `bad_config`
 */
export function networkConfig(config: Json, file: string): NetworkConfig {
  // A network that scores has no head of words: it is read as one whose head is tied.
  const told = scoresSequences(config) ? { ...config, tie_word_embeddings: true } : config;
  return familyOf(config, file).read(new Fields(told, file));
}

/** Most tokens that a network can see in one sequence; dynamic scaling widens it. */
export const contextOf = ({ context, rotary }: NetworkConfig) =>
  rotary?.kind === 'dynamic' ? Math.floor(context * Math.max(1, rotary.factor)) : context;

/**
 * The family of a config.json.
 * @throws DataError `unknown_architecture`
 */
export function familyOf(config: Json, file: string): Family {
  const fields = new Fields(config, file);
  const names = fields.texts('architectures', []);
  const known = names.map(causalArchitecture);
  const found = FAMILIES.find(({ architecture }) => known.includes(architecture));
  if (found !== undefined) return found;
  const told = names.length > 0 ? names.join(', ') : 'none';
  const type = fields.has('model_type') ? ` (model_type ${fields.text('model_type')})` : '';
  const supported = FAMILIES.map(({ architecture }) => architecture).join(', ');
  throw new DataError('unknown_architecture', `the architecture ${told}${type} is not supported; supported are ${supported}`, { file });
}
