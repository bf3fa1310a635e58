/** Reward models as judges: a scalar head, mostly on an adapter over the very weights that the policy stands on. */
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ADAPTER_CONFIG, isAdapterFolder } from '../../checkpoint/adapter_folder.js';
import type { ModelFolder } from '../../checkpoint/model_folder.js';
import { namedFolder } from '../../checkpoint/other_base.js';
import { readTensor } from '../../checkpoint/safetensors.js';
import { DataError } from '../../errors/index.js';
import { ifThere } from '../../errors/system.js';
import { Fields, readJson, readJsonIfThere } from '../../files/json_file.js';
import type { PassSequence } from '../../model/batches.js';
import { forwardAll } from '../../model/passes.js';
import type { NativeModel } from '../../native.js';
import { type FrozenModels, withAdapter } from './reference.js';
import { checkTokenizer, type Policy } from './same_tokenizer.js';

export class RewardModel {
  private constructor(
    private readonly native: NativeModel,
    private readonly adapter: string | false,
    private readonly constants: { mean: number; std: number },
  ) {}

  /**
   * Opens a reward model: a PEFT folder, or a whole model for sequence classification.
   * @param name of its adapter among those of its base
   * @throws DataError `missing_reward_model`, `bad_reward_model`, `tokenizer_differs`, and what reading an adapter throws
   */
  static async open(folder: string, name: string, policy: Policy, frozen: FrozenModels): Promise<RewardModel> {
    const found = await ifThere(stat(folder), folder);
    if (found === undefined) throw new DataError('missing_reward_model', 'no such folder of a reward model', { file: folder });
    await checkTokenizer(folder, folder, policy);
    if (!(await isAdapterFolder(folder))) return RewardModel.whole(folder, policy, frozen);
    const base = await baseOf(folder, policy, frozen);
    const adapter = await frozen.adapter(folder, base);
    const { head } = adapter;
    if (head === undefined) throw new DataError('bad_reward_model', `has no score head; expected what ${MADE}`, { file: folder });
    const constants = await readConstants(folder);
    const { native } = await withAdapter(await frozen.of(base), adapter, name);
    await native.setHead(head, name);
    return new RewardModel(native, name, constants);
  }

  private static async whole(folder: string, policy: Policy, frozen: FrozenModels): Promise<RewardModel> {
    const model = await frozen.open(folder, { scores: true });
    if (model.score === undefined) throw new DataError('bad_reward_model', `has no score head; expected what ${MADE}`, { file: folder });
    // Added tokens without a row in the policy's embedding stand in no text.
    if (model.config.vocabulary < Math.min(policy.tokenizer.vocabularySize, policy.base.config.vocabulary)) {
      const message = `has ${model.config.vocabulary} rows in its vocabulary, the policy's tokenizer ${policy.tokenizer.vocabularySize} pieces`;
      throw new DataError('tokenizer_differs', message, { file: folder });
    }
    const native = await frozen.of(model);
    await native.setHead(await readTensor(model.score));
    return new RewardModel(native, false, await readConstants(folder));
  }

  /**
   * Normalised scores of sequences that end in their end token, `microBatchTokens` at a time.
   * @param sequences those to score, in units of at most so many tokens whose beginning is computed once; 0: each by itself
   */
  async scores(sequences: (most: number) => readonly PassSequence[], microBatchTokens: number): Promise<Float64Array> {
    const { native, adapter } = this;
    const all = sequences(native.sharesBeginnings ? microBatchTokens : 0);
    const { score } = await forwardAll(native, all, microBatchTokens, () => ({ outputs: ['score'], adapter }));
    return Float64Array.from(score as Float32Array, (raw) => (raw - this.constants.mean) / this.constants.std);
  }
}

/** What a reward model is, in words. */
const MADE = 'method: reward makes (PEFT with task_type SEQ_CLS and modules_to_save ["score"], or a model for sequence classification)';

/** reward.json: what brings scores to mean 0 and deviation 1; without it scores are taken as they are. */
async function readConstants(folder: string): Promise<{ mean: number; std: number }> {
  const file = join(folder, 'reward.json');
  const json = await readJsonIfThere(file);
  if (json === undefined) return { mean: 0, std: 1 };
  const fields = new Fields(json, file);
  return { mean: fields.number('mean'), std: fields.number('std', undefined, 0) };
}

/** The base of such an adapter: the policy's, unless the adapter names another folder that is there. */
export async function baseOf(folder: string, policy: Policy, frozen: FrozenModels, who = 'reward model'): Promise<ModelFolder> {
  const named = (await readJson(join(folder, ADAPTER_CONFIG))).base_model_name_or_path;
  const other = typeof named === 'string' ? await namedFolder(named, folder) : undefined;
  if (other === undefined || other === (await realpath(policy.base.folder))) return policy.base;
  await checkTokenizer(other, folder, policy, who);
  return frozen.open(other);
}
