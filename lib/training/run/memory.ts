/** How many tokens may be in flight, and whether a run fits the machine: pure functions over the plan of the native side. */
import { WorkError } from '../../errors/index.js';
import type { PlannedMemory } from '../../native.js';

/** Bytes that a run needs with a given number of tokens in flight. */
export type MemoryPlan = (tokens: number) => PlannedMemory;

const sumOf = ({ fixed, activations, cache }: PlannedMemory) => fixed + activations + cache;

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
  const fits = (tokens: number) => sumOf(plan(tokens)) <= SHARE * total;
  let tokens = Math.max(longest, Math.min(stepTokens, LARGEST));
  while (tokens > longest && !fits(tokens)) tokens = Math.max(longest, Math.floor(tokens / 2));
  return tokens;
}

/** What a step's rows come to. */
export interface StepFacts {
  /** Of the recipe, which counts rows as they were read. */
  tokensPerStep?: number | undefined;
  rowsPerStep?: number | undefined;
  /** Most tokens of a sequence as it is trained. */
  longest: number;
  /** Most tokens trained for one of a row: above 1 where what is predicted stands twice. */
  growth: number;
  /** Where rows are prompts: the most of a step, answers to each, most tokens of an answer. */
  answers?: { prompts: number; samples: number; tokens: number } | undefined;
}

/** Most tokens that a step trains, but for a step of one row that is longer: tokensPerStep with what is added to its rows, or so many longest rows. */
export function mostStepTokens({ tokensPerStep, rowsPerStep = 1, longest, growth, answers }: StepFacts): number {
  const { prompts, samples, tokens } = answers ?? { prompts: 0, samples: 1, tokens: 0 };
  if (tokensPerStep === undefined) return rowsPerStep * samples * longest;
  return Math.ceil(samples * (tokensPerStep * growth + prompts * tokens));
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
  /** Most tokens of an answer, where the model writes some. */
  maxNewTokens?: number | undefined;
}

/**
 * Refuses a run that cannot fit, before its first step.
 * @throws WorkError `out_of_memory` with what is needed, what there is and what to change
 */
export function checkMemory({ plan, tokens, longest, available, maxNewTokens, ...set }: FitFacts): void {
  const { fixed, activations, cache } = plan(tokens);
  const parts: Part[] = [
    [fixed, 'weights and optimiser'],
    [activations, `${tokens} tokens in flight`],
    [cache, ANSWERS],
  ];
  const advice = [
    tokens > longest ? `train.microBatchTokens below ${tokens}` : `train.maxLength below ${longest}`,
    shorterAnswers(maxNewTokens),
    set.recomputes ? '' : 'train.activationCheckpointing: true',
    set.isBf16 ? '' : 'compute.dtype: bf16',
    set.isAdapter ? '' : 'an adapter in place of all weights',
  ];
  refuseBeyond(available, 'training', parts, advice);
}

/** Of a run that only writes answers: what it needs, and what its recipe has set. */
export interface SamplingFacts extends Pick<FitFacts, 'available' | 'isBf16'> {
  planned: PlannedMemory;
  maxNewTokens: number;
}

/** Refuses sampling that cannot fit, before the model is loaded. @throws WorkError `out_of_memory` */
export function checkSamplingMemory({ planned, available, isBf16, maxNewTokens }: SamplingFacts): void {
  const { fixed, activations, cache } = planned;
  const parts: Part[] = [
    [fixed, 'weights'],
    [activations, 'the prompts of a pass'],
    [cache, ANSWERS],
  ];
  refuseBeyond(available, 'sampling', parts, [shorterAnswers(maxNewTokens), isBf16 ? '' : 'compute.dtype: bf16']);
}

type Part = [bytes: number, what: string];

const ANSWERS = 'keys and values of the answers it writes';
const shorterAnswers = (maxNewTokens: number | undefined) =>
  maxNewTokens === undefined ? '' : `method.maxNewTokens below ${maxNewTokens}`;

function refuseBeyond(available: number, work: string, parts: readonly Part[], advice: readonly string[]): void {
  const needed = parts.reduce((sum, [bytes]) => sum + bytes, 0);
  if (needed <= available) return;
  const shares = parts.filter(([bytes]) => bytes > 0).map(([bytes, what]) => `${gib(bytes)} GiB for ${what}`);
  const choices = [...advice, 'a smaller model'].filter((one) => one !== '').join(', or ');
  const need = `${work} needs about ${gib(needed)} GiB (${shares.join(', ')})`;
  throw new WorkError('out_of_memory', `${need}, but only ${gib(available)} GiB of memory are available; try ${choices}`);
}

const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(bytes < 2 ** 30 ? 2 : 1);
