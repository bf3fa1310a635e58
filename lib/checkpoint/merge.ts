/** Merges an adapter into its base: W + scale · B A from the base's stored numbers, in f32 with sums in f64, a tensor at a time. */
import { setImmediate } from 'node:timers/promises';
import { DataError } from '../errors/index.js';
import type { AdapterTarget, StoredTensor, StoredType } from '../native.js';
import { type Adapter, scaleOf } from './adapter.js';
import { folderWhole } from './files.js';
import type { ModelFolder } from './model_folder.js';
import { OVERFLOWS, toFloat32 } from './numbers.js';
import { readPieces, readTensor, type TensorToWrite } from './safetensors.js';
import { writeModelFolder } from './write_model.js';

export interface MergeOptions {
  base: ModelFolder;
  adapter: Adapter;
  /** Folder to make; it must not exist. */
  out: string;
  /** Number type of every tensor; undefined: as the base stores each. */
  dtype?: StoredType | undefined;
  shardBytes?: number;
  signal?: AbortSignal;
}

/**
 * Writes the merged model as a Hugging Face folder that appears whole.
 * @throws RequestError `output_exists`, `not_writable`; WorkError `disk_full`; DataError `tensor_not_finite`, `beyond_range`
 */
export async function mergeAdapter({ base, adapter, out, dtype, shardBytes, signal }: MergeOptions): Promise<void> {
  const targets = new Map(adapter.targets.map((target) => [`${target.name}.weight`, target]));
  const stored = base.headCopy === undefined ? base.tensors : [...base.tensors, base.headCopy];
  const tensors = stored.map((tensor): TensorToWrite => {
    const target = targets.get(tensor.name);
    const type = dtype ?? tensor.stored;
    const pieces = () =>
      target === undefined ? copied(tensor, type, signal) : merged(tensor, type, { target, scale: scaleOf(adapter) }, signal);
    return { name: tensor.name, shape: tensor.shape, stored: type, pieces };
  });
  await folderWhole(out, (folder) => writeModelFolder(folder, { base, tensors, dtype, shardBytes }));
}

async function* copied(tensor: StoredTensor, type: StoredType, signal?: AbortSignal): AsyncGenerator<Float32Array | Uint8Array> {
  for await (const piece of readPieces(tensor)) {
    signal?.throwIfAborted();
    const values = toFloat32(piece, tensor.stored);
    checkFinite(values, tensor);
    checkRange(values, tensor, type);
    yield type === tensor.stored ? piece : values;
  }
}

/** Rows between two turns of the event loop: 64 of 4096 columns at rank 16 take some 4 ms. */
const ROWS = 64;

async function* merged(
  tensor: StoredTensor,
  type: StoredType,
  { target, scale }: { target: AdapterTarget; scale: number },
  signal?: AbortSignal,
): AsyncGenerator<Float32Array> {
  const weights = await readTensor(tensor);
  checkFinite(weights, tensor);
  const [outputs = 0, inputs = 0] = tensor.shape;
  for (let row = 0; row < outputs; row += ROWS) {
    const last = Math.min(row + ROWS, outputs);
    addLowRank(weights, target, scale, inputs, row, last);
    const rows = weights.subarray(row * inputs, last * inputs);
    checkRange(rows, tensor, type);
    yield rows;
    await setImmediate();
    signal?.throwIfAborted();
  }
}

/** weights (outputs, inputs) += scale · B (outputs, rank) A (rank, inputs) in rows first .. last, summed in f64. */
function addLowRank(
  weights: Float32Array,
  { a, b, rank }: AdapterTarget,
  scale: number,
  inputs: number,
  first: number,
  last: number,
): void {
  const sums = new Float64Array(inputs);
  for (let row = first; row < last; row++) {
    sums.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = b[row * rank + k] as number;
      if (factor === 0) continue;
      for (let i = 0; i < inputs; i++) sums[i] = (sums[i] as number) + factor * (a[k * inputs + i] as number);
    }
    for (let i = 0; i < inputs; i++) weights[row * inputs + i] = (weights[row * inputs + i] as number) + scale * (sums[i] as number);
  }
}

function checkFinite(values: Float32Array, tensor: StoredTensor): void {
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new DataError('tensor_not_finite', `${tensor.name} holds ${bad}`, { file: tensor.path });
}

/** A number that the type of the merged tensors holds as infinity only. */
function checkRange(values: Float32Array, tensor: StoredTensor, type: StoredType): void {
  const most = OVERFLOWS[type];
  const bad = values.find((value) => !(Math.abs(value) < most));
  if (bad === undefined) return;
  const others = type === 'f16' ? 'bf16 or f32' : 'f32';
  const advice = Number.isFinite(bad)
    ? `; use another number type (${others})`
    : ', beyond the range of f32: adapter and base do not go together';
  throw new DataError('beyond_range', `${tensor.name} would hold ${bad} when merged, too large for ${type}${advice}`, {
    file: tensor.path,
  });
}
