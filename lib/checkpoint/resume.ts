/**
 * Checkpoints of a run, `checkpoints/step-000050/`: everything that going on needs. One appears whole or not at all, so the newest one there is
 * always good. Its weights are also what other programs open: a PEFT folder, or a Hugging Face folder with all weights.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors/index.js';
import { ifThere, readFault } from '../errors/system.js';
import { type Json, readJsonIfThere } from '../files/json_file.js';
import type { NativeModel, ParameterPart } from '../native.js';
import { folderWhole, removePartial, writeFault, writeWhole } from './files.js';
import { readTensor, storedTensor, type TensorToWrite, writeSafetensors } from './safetensors.js';
import { readHeader } from './safetensors_header.js';

const STATE = 'state.json';
const OPTIMIZER = 'optimizer.safetensors';
const NAME = /^step-(\d{6,})$/;

/** Name of the folder of a step. */
export const checkpointName = (step: number) => `step-${String(step).padStart(6, '0')}`;

/** The folder of a run in which its checkpoints lie. */
export const checkpointsFolder = (run: string) => join(run, 'checkpoints');

/** Tensors that are trained together: those of one adapter, or of the base. */
export interface TrainedSet {
  /** Before the names of its tensors in the checkpoint. */
  prefix: string;
  /** Left out: the policy, or the base where all weights are trained. */
  adapter?: string;
}

const POLICY: readonly TrainedSet[] = [{ prefix: '' }];

export interface SaveCheckpoint {
  step: number;
  /** Figures of the run, as JSON: cursor, best evaluation, hashes, sums. */
  state: object;
  /** The resolved recipe as YAML. */
  recipe: string;
  model: NativeModel;
  /** Writes the trained tensors into the folder, under the names of `model.parameters()`. */
  writeWeights(folder: string): Promise<void>;
  /** Default: the policy alone. */
  sets?: readonly TrainedSet[];
}

/** Writes a checkpoint and returns its folder. */
export async function saveCheckpoint(
  run: string,
  { step, state, recipe, model, writeWeights, sets = POLICY }: SaveCheckpoint,
): Promise<string> {
  const above = checkpointsFolder(run);
  const path = join(above, checkpointName(step));
  // Only what was left of a folder that was being deleted can be there.
  const cleared = mkdir(above, { recursive: true }).then(() => rm(path, { recursive: true, force: true }));
  await cleared.catch((error) => Promise.reject(writeFault(error, path)));
  await folderWhole(path, async (folder) => {
    await writeWeights(folder);
    await writeSafetensors(join(folder, OPTIMIZER), [...momentsOf(model, sets, 'first'), ...momentsOf(model, sets, 'second')]);
    await writeWhole(join(folder, 'recipe.yaml'), recipe);
    await writeWhole(join(folder, STATE), `${JSON.stringify({ step, ...state }, undefined, 1)}\n`);
  });
  return path;
}

function momentsOf(model: NativeModel, sets: readonly TrainedSet[], part: 'first' | 'second'): TensorToWrite[] {
  return sets.flatMap((set) => tensorsOf(model, set, part).map((tensor) => ({ ...tensor, name: `${part}.${tensor.name}` })));
}

/** Tensors of a set, to be written in f32 under their names in a checkpoint. */
export function tensorsOf(model: NativeModel, { prefix, adapter }: TrainedSet, part: ParameterPart = 'value'): TensorToWrite[] {
  async function* read(name: string): AsyncGenerator<Float32Array> {
    yield await model.read(name, part, adapter);
  }
  return model.parameters(adapter).map(({ name, shape }) => ({ name: prefix + name, shape, stored: 'f32', pieces: () => read(name) }));
}

/** The trained tensors of a model, to be written under their own names in f32. */
export const trainedTensors = (model: NativeModel): TensorToWrite[] => tensorsOf(model, { prefix: '' });

/** A checkpoint on the disk. */
export interface Checkpoint {
  folder: string;
  step: number;
  state: Json;
}

/**
 * The newest checkpoint of a run, none later than `last`, or undefined. What a killed process left half-written is removed.
 * @throws what reading a folder and a JSON file throws: what cannot be read is not absent
 */
export async function latestCheckpoint(run: string, last = Number.POSITIVE_INFINITY): Promise<Checkpoint | undefined> {
  const above = checkpointsFolder(run);
  await removePartial(above);
  const steps = (await stepsIn(above)).filter((step) => step <= last);
  for (const step of steps.sort((a, b) => b - a)) {
    const folder = join(above, checkpointName(step));
    const file = join(folder, STATE);
    // An old one of which a killed process had deleted a part is no checkpoint any more.
    const state = await readJsonIfThere(file);
    if (state === undefined) continue;
    if (state.step !== step) throw new DataError('bad_checkpoint', `tells of step ${state.step}, not of ${step}`, { file });
    return { folder, step, state };
  }
  return undefined;
}

async function stepsIn(folder: string): Promise<number[]> {
  const names = (await ifThere(readdir(folder), folder)) ?? [];
  return names.map((name) => NAME.exec(name)?.[1]).flatMap((digits) => (digits === undefined ? [] : [Number(digits)]));
}

/**
 * Gives a model the parameters and optimiser state of a checkpoint.
 * @throws DataError `bad_checkpoint` where it lacks a tensor or has one of another shape
 */
export async function restoreModel({ folder }: Checkpoint, model: NativeModel, sets: readonly TrainedSet[] = POLICY): Promise<void> {
  const names = await readdir(folder).catch((error) => Promise.reject(readFault(error, folder)));
  const files = names.filter((name) => name.endsWith('.safetensors')).sort();
  const paths = files.map((name) => join(folder, name));
  const entries = (await Promise.all(paths.map(async (path) => (await readHeader(path)).map((entry) => storedTensor(entry, path))))).flat();
  const stored = new Map(entries.map((tensor) => [tensor.name, tensor]));
  const restore = async (own: string, shape: number[], part: 'value' | 'first' | 'second', { prefix, adapter }: TrainedSet) => {
    const name = prefix + own;
    const tensor = stored.get(part === 'value' ? name : `${part}.${name}`);
    if (tensor === undefined) throw new DataError('bad_checkpoint', `has no ${part} of ${name}`, { file: folder });
    if (tensor.shape.join() !== shape.join())
      throw new DataError('bad_checkpoint', `${name}: expected [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`, { file: folder });
    await model.write(own, part, await readTensor(tensor), adapter);
  };
  for (const set of sets)
    for (const { name, shape } of model.parameters(set.adapter))
      for (const part of ['value', 'first', 'second'] as const) await restore(name, shape, part, set);
}

/** Checkpoints kept beside the best one: the last, and the one before it in case the last was of a run gone wrong. */
const KEPT = 2;

/** Steps that may go: all but the newest few and those of `kept`. */
export function superfluous(steps: readonly number[], kept: readonly number[]): number[] {
  const newest = [...steps].sort((a, b) => b - a).slice(0, KEPT);
  return steps.filter((step) => !newest.includes(step) && !kept.includes(step));
}

/** Deletes the checkpoints of a run that are neither new nor of the steps `kept`. */
export async function pruneCheckpoints(run: string, kept: readonly number[]): Promise<void> {
  const above = checkpointsFolder(run);
  for (const step of superfluous(await stepsIn(above), kept)) {
    const path = join(above, checkpointName(step));
    await rm(path, { recursive: true, force: true }).catch((error) => Promise.reject(writeFault(error, path)));
  }
}
