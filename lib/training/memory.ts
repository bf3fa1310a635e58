/** How many tokens may be in flight, and whether a run fits the machine: pure functions over the plan of the native side. */
import { WorkError } from '../errors/index.js';

/** Bytes that a run needs with a given number of tokens in flight. */
export type MemoryPlan = (tokens: number) => { fixed: number; activations: number };

export interface MicroBatchFacts {
  plan: MemoryPlan;
  /** The recipe's wish. */
  requested: number | 'auto';
  /** Tokens of the longest sequence, which is never cut. */
  longest: number;
  /** Most tokens of a step. */
  stepTokens: number;
  /** Bytes of memory that the machine (or the process's limit) has in all. */
  total: number;
}

/** Above this the matrix products gain nothing any more, and activations only take memory: 2048 rows fill the tiles of any layer. */
const LARGEST = 2048;
/** Share of the machine's memory that a run may plan with. */
const SHARE = 0.8;

/**
 * Most tokens in flight. It depends on the machine's memory as a whole, never on what happens to be free, because another split of a step
 * rounds its sums otherwise: the same run twice must give the same bits.
 */
export function chooseMicroBatch({ plan, requested, longest, stepTokens, total }: MicroBatchFacts): number {
  if (requested !== 'auto') return requested;
  const fits = (tokens: number) => {
    const { fixed, activations } = plan(tokens);
    return fixed + activations <= SHARE * total;
  };
  let tokens = Math.max(longest, Math.min(stepTokens, LARGEST));
  while (tokens > longest && !fits(tokens)) tokens = Math.max(longest, Math.floor(tokens / 2));
  return tokens;
}

export interface FitFacts {
  plan: MemoryPlan;
  /** Most tokens in flight, a single longest sequence included. */
  tokens: number;
  longest: number;
  /** Bytes that the process can still get. */
  available: number;
  /** What the recipe has set already, and so is no advice. */
  isBf16: boolean;
  isAdapter: boolean;
  recomputes: boolean;
}

/**
 * Refuses a run that cannot fit, before its first step.
 * @throws WorkError `out_of_memory` with what is needed, what there is and what to change
 */
export function checkMemory({ plan, tokens, longest, available, isBf16, isAdapter, recomputes }: FitFacts): void {
  const { fixed, activations } = plan(tokens);
  if (fixed + activations <= available) return;
  const advice = [
    tokens > longest ? `train.microBatchTokens below ${tokens}` : `train.maxLength below ${longest}`,
    recomputes ? '' : 'train.activationCheckpointing: true',
    isBf16 ? '' : 'compute.dtype: bf16',
    isAdapter ? '' : 'an adapter in place of all weights',
    'a smaller model',
  ];
  const need = `training needs about ${gib(fixed + activations)} GiB (${gib(fixed)} GiB for weights and optimiser, ${gib(activations)} GiB for ${tokens} tokens in flight)`;
  const choices = advice.filter((one) => one !== '').join(', or ');
  throw new WorkError('out_of_memory', `${need}, but only ${gib(available)} GiB of memory are available; try ${choices}`);
}

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(bytes < 2 ** 30 ? 2 : 1);
