/** How many tokens of a run are in flight at once, by what the machine has. */

import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Adapter } from '../../checkpoint/adapter.js';
import { isAdapterFolder } from '../../checkpoint/adapter_folder.js';
import { exists } from '../../checkpoint/files.js';
import { readJson } from '../../files/json_file.js';
import { methodOf, type SampleOptions } from '../../methods/index.js';
import { addon, type MemoryRequest, type NetworkConfig, type PlannedMemory, type RolloutShape } from '../../native.js';
import { networkConfig } from '../../network/config.js';
import type { Recipe } from '../../recipe/index.js';
import { heldRollouts, rolloutOptions } from '../rollout/rollouts.js';
import { judgesAndTeacher } from './manifest.js';
import { checkMemory, checkSamplingMemory, chooseMicroBatch, type MemoryPlan, mostStepTokens } from './memory.js';
import { needsOtherModel } from './preference.js';
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
    if ((await exists(file)) && !(await isAdapterFolder(folder))) found.push(networkConfig(await readJson(file), file));
  }
  return found;
}

/** What the networks of a run do. */
type Work = Pick<MemoryRequest, 'tokens' | 'train' | 'rollout'> & { rank?: number };

function planned({ train, compute }: Recipe, config: NetworkConfig, { rank = 0, ...work }: Work): PlannedMemory {
  const { dtype, threads } = compute;
  const settings = { dtype, threads: threads === 'auto' ? 0 : threads, recomputeActivations: train.activationCheckpointing };
  return addon().planMemory({ config, ...settings, rank, ...work });
}

/** Bytes of the weights of models that are only read. */
const weightsOf = (recipe: Recipe, networks: readonly NetworkConfig[]) =>
  networks.reduce((sum, network) => sum + planned(recipe, network, { tokens: 1, train: 'none' }).fixed, 0);

/** Most prompts of a step. */
function mostPrompts({ tokensPerStep = 0, rowsPerStep }: Recipe['train'], { sequences }: Pick<Rows, 'sequences'>): number {
  const shortest = sequences.reduce((least, { ids }) => Math.min(least, ids.length), Number.POSITIVE_INFINITY);
  return Math.min(sequences.length, rowsPerStep ?? Math.max(1, Math.floor(tokensPerStep / shortest)));
}

/** How large the rollouts of a recipe are, `most` prompts at once. */
function rolloutShape({ method }: Recipe, rows: Pick<Rows, 'sequences' | 'longest'>, most: number): { rollout?: RolloutShape } {
  if (!('samplesPerPrompt' in method)) return {};
  const { samplesPerPrompt: samples, maxNewTokens } = method;
  return { rollout: { prompts: Math.min(rows.sequences.length, most), samples, longestPrompt: rows.longest, maxNewTokens } };
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
  const prompts = mostPrompts(train, rows);
  const plan = memoryPlan(recipe, config, adapter, rolloutShape(recipe, rows, prompts), others);
  const { longest, ...lengths } = lengthsOf(recipe, config, rows, prompts);
  const { tokensPerStep, rowsPerStep } = train;
  const stepTokens = mostStepTokens({ tokensPerStep, rowsPerStep, longest, ...lengths });
  const micro = chooseMicroBatch({ plan, requested: train.microBatchTokens, longest, stepTokens, total: machineMemory() });
  const settings = { isBf16: compute.dtype === 'bf16', isAdapter: adapter !== undefined, recomputes: train.activationCheckpointing };
  const tokens = Math.max(longest, Math.min(micro, stepTokens));
  const maxNewTokens = rolloutOptions(recipe)?.maxNewTokens;
  checkMemory({ plan, tokens, longest, available: process.availableMemory(), ...settings, maxNewTokens });
  return micro;
}

/** What the run needs, models that are only read beside the one that is trained included. */
function memoryPlan(
  recipe: Recipe,
  config: NetworkConfig,
  adapter: Adapter | undefined,
  rollout: { rollout?: RolloutShape },
  others: readonly NetworkConfig[],
): MemoryPlan {
  const reference = needsOtherModel(recipe) || (adapter === undefined && heldRollouts(recipe)) ? [config] : [];
  const beside = weightsOf(recipe, [...reference, ...others]);
  const train = adapter === undefined ? 'all' : 'adapter';
  return (tokens) => {
    const { fixed, ...more } = planned(recipe, config, { tokens, train, rank: adapter?.rank ?? 0, ...rollout });
    return { fixed: fixed + beside, ...more };
  };
}

/** Tokens of the longest sequence as it is trained, and what a step adds to its rows. */
function lengthsOf(recipe: Recipe, { causal, rotary }: NetworkConfig, rows: Rows, prompts: number) {
  const { maxNewTokens, samplesPerPrompt: samples = 1 } = rolloutOptions(recipe) ?? {};
  const growth = methodOf(recipe.method).growth?.(recipe.method) ?? 1;
  const whole = !causal || rotary?.kind === 'dynamic' ? rows.longest : rows.longestShared;
  // An answer, and the end token that a judge may read behind it.
  const tokens = maxNewTokens === undefined ? 0 : maxNewTokens + 1;
  return { longest: Math.ceil(whole * growth) + tokens, growth, answers: { prompts, samples, tokens } };
}

/** What a run that only writes answers goes through. */
export interface Sampled {
  /** Prompts that are answered at once. */
  prompts: number;
  /** Tokens that reward models read at once. */
  judged: number;
}

/** @throws WorkError `out_of_memory` where sampling does not fit the machine */
export async function checkSampling(
  recipe: Recipe & { method: SampleOptions },
  config: NetworkConfig,
  rows: Pick<Rows, 'sequences' | 'longest'>,
  { prompts, judged }: Sampled,
): Promise<void> {
  const { maxNewTokens, rewards = [] } = recipe.method;
  const tokens = rewards.some((one) => 'model' in one) ? judged : 1;
  const { fixed, ...more } = planned(recipe, config, { tokens, train: 'none', ...rolloutShape(recipe, rows, prompts) });
  const whole = { fixed: fixed + weightsOf(recipe, await networksBeside(recipe)), ...more };
  const isBf16 = recipe.compute.dtype === 'bf16';
  checkSamplingMemory({ planned: whole, available: process.availableMemory(), isBf16, maxNewTokens });
}
