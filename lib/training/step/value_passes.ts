/** A value head on an adapter of its own: passes beside those of the policy. */
import type { LossOutput } from '../../methods/index.js';
import type { PassSequence } from '../../model/batches.js';
import { backwardPass, type Figures, forwardAll, forwardPass } from '../../model/passes.js';
import type { NativeModel } from '../../native.js';

interface ValueSetting {
  native: NativeModel;
  microBatchTokens: number;
  /** The adapter; undefined: values come from the policy's own passes. */
  valueSet?: string | undefined;
}

const VALUES = { outputs: ['value'], valueAlone: true } as const;

/** Values from an adapter of their own, where they have one. */
export async function ownValues(
  { native, microBatchTokens, valueSet }: ValueSetting,
  sequences: readonly PassSequence[],
): Promise<Partial<Figures>> {
  if (valueSet === undefined) return {};
  const { value } = await forwardAll(native, sequences, microBatchTokens, () => ({ ...VALUES, adapter: valueSet }));
  return value === undefined ? {} : { value };
}

/** Sends the gradients of a micro-batch, whose pass was the last. Values from an adapter of their own are computed once more, and kept. */
export async function sendBack(
  { native, valueSet }: ValueSetting,
  sequences: readonly PassSequence[],
  gradient: LossOutput['gradient'],
): Promise<void> {
  if (valueSet === undefined) return backwardPass(native, gradient);
  const { value, ...others } = gradient;
  await backwardPass(native, others);
  if (value === undefined) return;
  await forwardPass(native, sequences, { ...VALUES, adapter: valueSet, keep: true });
  await backwardPass(native, { logprob: new Float32Array(0), value });
}
