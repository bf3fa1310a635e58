/** A checkpoint on the disk as a model that computes. */
import { type AdapterOptions, addon, type DType, guarded, type ModelOptions, type NativeModel, withTypedErrors } from '../native.js';
import { type Adapter, scaleOf } from './adapter.js';
import type { ModelFolder } from './model_folder.js';

export interface LoadOptions {
  dtype: DType;
  threads: number | 'auto';
  /** What is trained; default nothing. */
  train?: ModelOptions['train'];
  recomputeActivations?: boolean;
}

/**
 * Loads the weights. What the model's methods throw are attune's errors.
 * @throws DataError `tensor_not_finite`, `tensor_file`; WorkError `native_missing`
 */
export async function loadNative(base: ModelFolder, options: LoadOptions): Promise<NativeModel> {
  const { config, tensors } = base;
  const { dtype, threads, train = 'none', recomputeActivations = false } = options;
  const count = threads === 'auto' ? 0 : threads;
  const wanted = { config, tensors, dtype, threads: count, train, recomputeActivations };
  return withTypedErrors(await guarded(() => addon().loadModel(wanted)));
}

/** An adapter as the native side takes it. `dropout` is that of the run, not the one that the adapter was trained with. */
export function nativeAdapter(adapter: Adapter, dropout = 0): AdapterOptions {
  return { scale: scaleOf(adapter), dropout, targets: adapter.targets };
}
