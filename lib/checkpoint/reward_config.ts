/** config.json of reward models, as transformers' sequence classifiers read it. */

import type { Json } from '../files/json_file.js';
import { rewardArchitecture } from '../network/config.js';
import type { ModelFolder } from './model_folder.js';
import type { CheckpointWarning } from './warning.js';

/** Whether the id that pads is one that ends a text: then transformers scores the token before the end, as it looks for the last one that is no padding. */
const padEnds = ({ pad_token_id: pad, eos_token_id: eos }: Json, ends: readonly number[]) =>
  typeof pad === 'number' && (ends.includes(pad) || [eos].flat().includes(pad));

/**
 * config.json of a reward model on this network: one label, which is a score. A padding id that ends texts becomes null, with which transformers scores the
 * last token, one text at a time.
 * @param ends ids at which texts end
 */
export const rewardConfig = (config: Json, ends: readonly number[]): Json => ({
  ...config,
  architectures: (config.architectures as string[]).map(rewardArchitecture),
  id2label: { 0: 'LABEL_0' },
  label2id: { LABEL_0: 0 },
  num_labels: 1,
  ...(padEnds(config, ends) && { pad_token_id: null }),
});

/** What users of other programs must know of a reward model on a base that pads with its end token. */
export function padWarnings({ folder, configJson }: ModelFolder, ends: readonly number[], isAdapter: boolean): CheckpointWarning[] {
  if (!padEnds(configJson, ends)) return [];
  const why = `${folder}: pad_token_id ${configJson.pad_token_id} ends texts, too, so transformers would score the token before the end`;
  const what = isAdapter
    ? 'where the adapter is opened in PEFT, set config.pad_token_id of the base to null (None), or to an id that ends no text'
    : 'config.json of the reward model gets null for it, with which transformers scores one text at a time';
  return [{ code: 'pad_is_end', message: `${why}; ${what}` }];
}
