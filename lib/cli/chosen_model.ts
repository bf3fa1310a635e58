/** The model that --model, --adapter, --dtype and --threads name, for commands that ask a model something. */
import type { Model } from '../evaluation/model.js';
import type { Context, Values } from './command.js';

/** Loads it, showing downloads; the caller disposes of it. */
export async function chosenModel(values: Values, { signal, progress, warn }: Context): Promise<Model> {
  const { loadModel } = await import('../evaluation/model.js');
  return loadModel(values.model as string, {
    adapter: values.adapter as string | undefined,
    dtype: values.dtype as 'bf16' | 'f32' | undefined,
    threads: values.threads as number | 'auto' | undefined,
    signal,
    onWarning: warn,
    onDownload: (download) => progress.download(download),
  });
}
