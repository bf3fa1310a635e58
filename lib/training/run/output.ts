/** What a run leaves behind: checkpoints on the way, and at the end an adapter (PEFT) or a model (Hugging Face folder). */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, HEAD_NAME, peftName } from '../../checkpoint/adapter.js';
import { writeAdapter } from '../../checkpoint/adapter_write.js';
import { exists, folderWhole, writeFault, writeWhole } from '../../checkpoint/files.js';
import {
  checkpointName,
  checkpointsFolder,
  pruneCheckpoints,
  restoreModel,
  saveCheckpoint,
  tensorsOf,
  trainedTensors,
} from '../../checkpoint/resume.js';
import { rewardConfig } from '../../checkpoint/reward_config.js';
import { writeSafetensors } from '../../checkpoint/safetensors.js';
import { writeModelFolder } from '../../checkpoint/write_model.js';
import { type Tokens, unitStarts } from '../../data/index.js';
import { methodOf } from '../../methods/index.js';
import { forwardAll } from '../../model/passes.js';
import type { NativeModel } from '../../native.js';
import { resolvedRecipe } from '../../recipe/index.js';
import { trainedSets, valuePlace } from '../rollout/rollouts.js';
import { isReported } from './folder.js';
import { chosenWeights } from './held_out.js';
import type { Run } from './prepare.js';
import { flatSteps } from './schedule.js';
import { restoreStart, trainsScores } from './weights.js';

/** Writes a checkpoint of the last step, deletes those that are neither new nor the best, and returns its folder. */
export async function keepCheckpoint(run: Run): Promise<string> {
  const { out, state, native, recipe } = run;
  const path = await saveCheckpoint(out, {
    step: state.step,
    state: state.toJSON(),
    recipe: resolvedRecipe(recipe),
    model: native,
    writeWeights: async (folder) => {
      await writeWeights(run, folder, true);
      await writeValue(run, folder);
    },
    sets: trainedSets(recipe),
  });
  await pruneCheckpoints(
    out,
    [state.lowest?.step, lastFlat(run)].filter((step) => step !== undefined),
  );
  return path;
}

/** What judges tokens beside the policy, which no output holds: the value head, and the adapter under it where it has one. */
async function writeValue({ native, recipe }: Run, folder: string): Promise<void> {
  const tensors = trainedSets(recipe).flatMap((set) =>
    tensorsOf(native, set).filter(({ name }) => set.adapter !== undefined || isHead(name)),
  );
  if (valuePlace(recipe) !== undefined) await writeSafetensors(join(folder, 'value.safetensors'), tensors);
}

const isHead = (name: string) => name === HEAD_NAME || name === 'score.weight';

/** The folder of a step's checkpoint. */
export const checkpointPath = ({ out }: Pick<Run, 'out'>, step: number) => join(checkpointsFolder(out), checkpointName(step));

/** The last step of wsd before its rate goes down: a longer run goes on from there. */
export const lastFlat = ({ recipe: { train }, steps }: Pick<Run, 'recipe' | 'steps'>) =>
  train.schedule === 'wsd' ? flatSteps(train.decay, steps) : undefined;

/** @param keeps the head that a reward model has no use for, for `--resume` */
async function writeWeights({ native, adapter, base, recipe, tokenizer }: Run, folder: string, keeps = false): Promise<void> {
  if (adapter !== undefined) return writeAdapter(folder, await trainedAdapter(native, adapter), recipe.model);
  const tensors = trainedTensors(native).filter(({ name }) => valuePlace(recipe) === undefined || !isHead(name));
  if (!trainsScores(recipe)) return writeModelFolder(folder, { base, tensors, dtype: 'f32' });
  const configJson = rewardConfig(base.configJson, [tokenizer.eos, ...tokenizer.ends]);
  const scoring = tensors.filter(({ name }) => keeps || name !== 'lm_head.weight');
  return writeModelFolder(folder, { base: { ...base, configJson }, tensors: scoring, dtype: 'f32' });
}

/** Answers that the constants are taken from, spread over all: their mean is known to 3 % of a deviation then, and PPO’s clipping forgives more. */
const SCORED = 1024;

/** reward.json: what brings the scores of the training answers to mean 0 and deviation 1. */
async function writeConstants({ native, recipe, sequences, microBatchTokens }: Run, folder: string): Promise<void> {
  const { method } = recipe;
  const constantsOf = methodOf(method).scoreConstants;
  if (constantsOf === undefined) return;
  const { score = new Float32Array() } = await forwardAll(native, spread(sequences, SCORED), microBatchTokens, () => ({
    outputs: ['score'],
  }));
  const constants = constantsOf(score, method);
  await writeWhole(join(folder, 'reward.json'), `${JSON.stringify(constants, undefined, 2)}\n`);
}

/** About `most` sequences in whole units, evenly over all: better answers and worse ones alike. */
export function spread<S extends Pick<Tokens, 'unit' | 'member'>>(sequences: readonly S[], most: number): S[] {
  const starts = unitStarts(sequences);
  const every = Math.max(1, sequences.length / most);
  const isTaken = (unit: number) => Math.floor(unit / every) !== Math.floor((unit - 1) / every);
  return [...starts.subarray(0, -1)].flatMap((start, unit) => (isTaken(unit) ? sequences.slice(start, starts[unit + 1]) : []));
}

/** The adapter with the values that it has been trained to. */
async function trainedAdapter(native: NativeModel, adapter: Adapter): Promise<Adapter> {
  const targets = [];
  for (const target of adapter.targets) {
    const [a, b] = [await native.read(peftName(target.name, 'A'), 'value'), await native.read(peftName(target.name, 'B'), 'value')];
    targets.push({ ...target, a, b });
  }
  return { ...adapter, targets, ...(adapter.head && { head: await native.read(HEAD_NAME, 'value') }) };
}

/** Where the end product of a run goes. */
const outputFolder = ({ out, adapter }: Pick<Run, 'out' | 'adapter'>) => join(out, adapter === undefined ? 'model' : 'adapter');

/** The output of a run that was finished already, so that resuming it changes nothing. */
export async function finishedOutput(run: Run): Promise<string | undefined> {
  const output = outputFolder(run);
  const isEnded = run.state.step >= run.steps || isExhausted(run);
  return isEnded && (await exists(output)) && (await isReported(run.out)) ? output : undefined;
}

/** Early stopping: the held-out rows got no better for too long. */
export function isExhausted({ recipe, state }: Pick<Run, 'recipe' | 'state'>): boolean {
  const patience = recipe.train.earlyStopping?.patience ?? Number.POSITIVE_INFINITY;
  return (state.best?.since ?? 0) >= patience;
}

/**
 * Writes adapter/ or model/: with early stopping the weights with the lowest held-out figure, else those of the last step.
 * @throws DataError `bad_checkpoint` where their checkpoint is gone
 */
export async function writeOutput(run: Run): Promise<string> {
  const output = outputFolder(run);
  const { state, recipe } = run;
  const { step } = chosenWeights(state, recipe.train.earlyStopping !== null);
  if (step === 0) await restoreStart(run);
  else if (step !== state.step) await restoreModel({ folder: checkpointPath(run, step), step, state: {} }, run.native);
  await rm(output, { recursive: true, force: true }).catch((error) => Promise.reject(writeFault(error, output)));
  await folderWhole(output, async (temporary) => {
    await writeWeights(run, temporary);
    await writeConstants(run, temporary);
  });
  return output;
}
