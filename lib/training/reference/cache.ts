/**
 * Log-probabilities of a run's rows under its frozen reference, computed once before the first step and kept on the disk, so that rows that come again
 * cost no second pass, and where all weights are trained no second model stays in memory. Which of both ways a run takes follows from its recipe and
 * rows alone, never from what lies on the disk: rounding may depend on what is computed side by side, and the same run must give the same bits.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readTensor, storedTensor, writeSafetensors } from '../../checkpoint/safetensors.js';
import { readHeader } from '../../checkpoint/safetensors_header.js';
import { sequencesHash, type Tokens, type Warning } from '../../data/index.js';
import { AttuneError } from '../../errors/index.js';
import { isAbsent, readFault } from '../../errors/system.js';
import { cutInto, membersAt } from '../../model/batches.js';
import { forwardPass } from '../../model/passes.js';
import { addon } from '../../native.js';
import type { Recipe, Train } from '../../recipe/index.js';
import type { Reference } from './reference.js';

/** Log-probabilities of each sequence's trained tokens. */
export type KnownReference = ReadonlyMap<object, Float32Array>;

/** Passes over the rows from which on computing the reference beforehand is worth its file. */
const WORTH = 2;

/** Whether rows come again often enough. */
export function comesAgain({ epochs, steps = 0, rowsPerStep, tokensPerStep = 0 }: Train, sequences: readonly Tokens[]): boolean {
  if (epochs !== undefined) return epochs >= WORTH;
  const rows = sequences.reduce((sum, { unit, member = 0 }) => sum + (member === 0 ? (unit?.rows ?? 1) : 0), 0);
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  return rowsPerStep === undefined ? steps * tokensPerStep >= WORTH * tokens : steps * rowsPerStep >= WORTH * rows;
}

/** Everything that the figures depend on. */
export interface CacheKey {
  recipe: Recipe;
  sequences: readonly Tokens[];
  microBatchTokens: number;
  /** Whether beginnings are computed once. */
  shared: boolean;
  /** Hashes of the base's files, and of those of the reference. */
  base: object;
  reference: object;
}

/** The file of a key: in `ATTUNE_CACHE`, else `XDG_CACHE_HOME/attune`, else `~/.cache/attune`. */
export function cacheFile(
  { recipe, sequences, microBatchTokens, shared, base, reference }: CacheKey,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const { version, cpu } = addon();
  const parts = [version, cpu.chosen, recipe.compute.dtype, microBatchTokens, shared, base, reference, sequencesHash(sequences)];
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  const home = env.ATTUNE_CACHE ?? join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'attune');
  return join(resolve(home), 'reference', `${hash}.safetensors`);
}

const NAME = 'logprob';

/**
 * What an earlier run kept, or undefined. A file that is not whole or not of these sequences is as good as none.
 * @throws WorkError `read_failed`, RequestError `not_readable` where the disk refuses: what lies there is not written over
 */
export async function readKnown(file: string, sequences: readonly Tokens[]): Promise<KnownReference | undefined> {
  const size = sequences.reduce((sum, { trainedTokens }) => sum + trainedTokens, 0);
  try {
    const [entry] = await readHeader(file);
    if (entry?.name !== NAME || entry.shape.join() !== String(size)) return undefined;
    return tableOf(await readTensor(storedTensor(entry, file)), sequences);
  } catch (error) {
    const cause = error instanceof AttuneError ? error.cause : error;
    const isSystem = typeof (cause as NodeJS.ErrnoException | undefined)?.code === 'string';
    if (isAbsent(cause) || (error instanceof AttuneError && !isSystem)) return undefined;
    throw readFault(cause, file);
  }
}

function tableOf(logprob: Float32Array, sequences: readonly Tokens[]): KnownReference {
  const known = new Map<object, Float32Array>();
  let at = 0;
  for (const sequence of sequences) {
    known.set(sequence, logprob.subarray(at, at + sequence.trainedTokens));
    at += sequence.trainedTokens;
  }
  return known;
}

/** Passes over all sequences, in their order. */
export async function computeKnown(
  { native, adapter }: Reference,
  sequences: readonly Tokens[],
  microBatchTokens: number,
  signal?: AbortSignal,
): Promise<KnownReference> {
  const logprob = new Float32Array(sequences.reduce((sum, { trainedTokens }) => sum + trainedTokens, 0));
  let at = 0;
  for (const places of cutInto(native, sequences, microBatchTokens)) {
    signal?.throwIfAborted();
    const figures = await forwardPass(native, membersAt(sequences, places), { adapter });
    logprob.set(figures.logprob, at);
    at += figures.logprob.length;
  }
  return tableOf(logprob, sequences);
}

/** Files kept: enough for the settings that are tried on one data set, few enough for any disk. */
const KEPT = 16;

/** Keeps a table; a disk that refuses is no reason to end a run, and is told. */
export async function writeKnown(file: string, known: KnownReference): Promise<Warning[]> {
  const above = resolve(file, '..');
  const size = [...known.values()].reduce((sum, { length }) => sum + length, 0);
  try {
    await mkdir(above, { recursive: true });
    await writeSafetensors(file, [{ name: NAME, shape: [size], stored: 'f32', pieces: () => known.values() }]);
    await prune(above);
    return [];
  } catch (error) {
    const why = (error as Error).message;
    return [{ code: 'reference_not_kept', message: `log-probabilities of the reference are not kept for another run: ${why}` }];
  }
}

async function prune(folder: string): Promise<void> {
  const paths = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}\.safetensors$/.test(name)).map((name) => join(folder, name));
  const dated = await Promise.all(paths.map(async (path) => ({ path, time: (await stat(path)).mtimeMs })));
  for (const { path } of dated.sort((a, b) => b.time - a.time).slice(KEPT)) await rm(path, { force: true });
}
