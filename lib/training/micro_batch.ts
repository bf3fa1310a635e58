/** How many tokens of a run are in flight at once, by what the machine has. */
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Adapter } from '../checkpoint/adapter.js';
import { networkConfig } from '../checkpoint/config.js';
import { exists } from '../checkpoint/files.js';
import { readJson } from '../checkpoint/json_file.js';
import { addon, type ModelOptions, type NetworkConfig } from '../native.js';
import type { Recipe } from '../options/index.js';
import { judgesAndTeacher } from './manifest.js';
import { checkMemory, chooseMicroBatch } from './memory.js';
import { needsOtherModel } from './preference.js';
import { heldRollouts, rolloutOptions } from './rollouts.js';
import type { Rows } from './rows.js';

/** Memory that the machine, or the limit that the process lives under, has in all. */
function machineMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

/** Networks of whole models that are loaded beside the one that is trained: a teacher, reward models. A folder that is missing is told of by who opens it. */
export async function networksBeside({ method }: Pick<Recipe, 'method'>): Promise<NetworkConfig[]> {
  const found: NetworkConfig[] = [];
  for (const [, folder] of judgesAndTeacher(method)) {
    const file = join(folder, 'config.json');
    if ((await exists(file)) && !(await exists(join(folder, 'adapter_config.json')))) found.push(networkConfig(await readJson(file), file));
  }
  return found;
}

/**
 * Most tokens in flight, if the run fits.
 * @param others networks of models beside the one that is trained
 * @throws WorkError `out_of_memory`
 */
export function plannedMicroBatch(
  recipe: Recipe,
  config: NetworkConfig,
  adapter: Adapter | undefined,
  rows: Rows,
  others: readonly NetworkConfig[],
): number {
  const { train, compute } = recipe;
  const needs = (tokens: number, trained: ModelOptions['train'], network = config) =>
    addon().planMemory({
      config: network,
      dtype: compute.dtype,
      threads: compute.threads === 'auto' ? 0 : compute.threads,
      train: trained,
      recomputeActivations: train.activationCheckpointing,
      tokens,
      rank: adapter?.rank ?? 0,
    });
  const reference = needsOtherModel(recipe) || (adapter === undefined && heldRollouts(recipe)) ? [config] : [];
  const beside = [...reference, ...others].reduce((sum, network) => sum + needs(1, 'none', network).fixed, 0);
  const plan = (tokens: number) => {
    const { fixed, activations } = needs(tokens, adapter === undefined ? 'all' : 'adapter');
    return { fixed: fixed + beside, activations };
  };
  const { maxNewTokens = -1, samplesPerPrompt = 1 } = rolloutOptions(recipe) ?? {};
  // With plm each predicted token stands twice, as content and as query.
  const queries = recipe.method.name === 'plm' ? 1 + recipe.method.maskShare : 1;
  // An answer, and the end token that a judge may read behind it.
  const whole = config.encoder || config.rotary.kind === 'dynamic' ? rows.longest : rows.longestShared;
  const longest = Math.ceil(whole * queries) + maxNewTokens + 1;
  const stepTokens = train.tokensPerStep ?? (train.rowsPerStep ?? 1) * samplesPerPrompt * longest;
  const micro = chooseMicroBatch({ plan, requested: train.microBatchTokens, longest, stepTokens, total: machineMemory() });
  const settings = { isBf16: compute.dtype === 'bf16', isAdapter: adapter !== undefined, recomputes: train.activationCheckpointing };
  const tokens = Math.max(longest, Math.min(micro, stepTokens));
  checkMemory({ plan, tokens, longest, available: process.availableMemory(), ...settings });
  return micro;
}
