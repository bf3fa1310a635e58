/**
 * What a method is. The native side gives one log-probability a trained token (and, on request, more figures of the same token or sequence); a
 * method is a pure function from those to a sum of losses and its gradient. Symbols: N trained tokens, S sequences of a micro-batch.
 *
 * How a step runs:
 *   1. its sequences are laid out as `Columns`, with the columns that `columns(options)` names;
 *   2. where there is a `prepare`, it is called once with the whole step. If `looksAhead(options)`, it is also given the native outputs of all the
 *      step's sequences: one forward pass without keeping anything; or, where the step is one micro-batch, the pass that is kept, and no second one. What it makes is joined to the columns, its metrics count like those of a micro-batch;
 *   3. `divisor` follows from `stepCounts` of the step;
 *   4. for each micro-batch (`part` of the columns; whole groups for pairs and rankings): forward, `loss`, backward;
 *   5. `stepTotals` of all that came back.
 * Methods with rollouts take 3 and 4 several times over parts of the step (`updates` in rollouts.ts), each an update with its own counts.
 */
import type * as z from 'zod';
import type { Column, Columns, GroupCounts, Numbers, StepCounts } from './columns.js';

/**
 * Figures beside the log-probability. A token: log-sum-exp of the logits, entropy, mean logit over the vocabulary, value head, and
 * log-probabilities of K given ids. A sequence: score head at its last token.
 */
export type Output = 'lse' | 'entropy' | 'mean' | 'value' | 'candidates' | 'score';

/** What a method asks of the rows and of the run. */
export interface Needs {
  /** Shapes of rows that it takes. */
  rows: readonly ('text' | 'prompt' | 'instruction' | 'chat' | 'pairs' | 'rankings' | 'thumbs' | 'prompts')[];
  /** Which tokens are trained: all but a row's first, or the answers. */
  trained: 'all' | 'answers';
  /** A change of each row's ids before every pass over it. */
  plan?: 'masked' | 'permuted';
  /** The policy writes the answers. */
  rollouts?: true;
  /** The model writes answers, and nothing is trained. */
  samples?: true;
  /** A head that scores sequences is trained; log-probabilities are not read. */
  scores?: true;
}

/** One micro-batch, as the native side computed it. */
export interface LossInput {
  /** (N) log-probability of each trained token, in order of the batch. */
  logprob: Numbers;
  /** (N) each, where the method's `outputs` asks for it. */
  lse?: Numbers;
  entropy?: Numbers;
  mean?: Numbers;
  value?: Numbers;
  /** (N K) log-probabilities of the ids that the teacher named. */
  candidates?: Numbers;
  /** (S) */
  score?: Numbers;
  /** What the sums of the whole step are divided by. */
  divisor: number;
}

/** One micro-batch with the columns of its sequences, and the counts of the whole step. */
export interface SequenceInput extends LossInput, Columns {
  counts: GroupCounts;
}

/** The same with some outputs and columns certainly there. */
export type With<Key extends Output | Column> = SequenceInput & { [K in Key]-?: NonNullable<SequenceInput[K]> };

/** A figure for the step's event: its mean is sum / count over all micro-batches. */
export interface Metric {
  sum: number;
  count: number;
}

/** What a micro-batch comes to: sums, never means. Gradients are already divided by the step's divisor. */
export interface LossOutput {
  /** Sum of the losses, not divided. */
  lossSum: number;
  /** Derivative of lossSum / divisor by each figure, the others held fixed; as long as the figures. */
  gradient: { logprob: Float32Array } & Partial<Record<Output, Float32Array>>;
  metrics: Record<string, Metric>;
}

/** What a method remembers from one step to the next; part of a checkpoint. */
export type MethodState = Readonly<Record<string, number>>;

/** What is known of a step before its gradients. */
export interface Prepared {
  columns: Partial<Columns>;
  metrics: Record<string, Metric>;
  /** For `prepare` of the next step. */
  state?: MethodState;
}

type CountsOf<Input> = Input extends { counts: infer Counts } ? Counts : StepCounts;

/** A training method. `Options` is what its schema gives; `Input` is what `loss` reads, `Step` what `prepare` reads. */
export interface Method<Options = unknown, Input extends LossInput = LossInput, Step extends LossInput = Input> {
  readonly name: string;
  /** One sentence: what it does and when to take it. */
  readonly summary: string;
  readonly needs: Needs;
  /** Held-out rows are told as mean nats a trained token, with their perplexity; without it as the method's loss and figures. */
  readonly nats?: true;
  readonly options: z.ZodType<Options>;
  /** Figures that `loss` and `prepare` read beside the log-probability. */
  outputs(options: Options): Output[];
  /** What logits are divided by before any log-probability is taken, the reference's and the teacher's too; without it 1. */
  temperature?(options: Options): number;
  /** Columns that the run must bring. `promptTokens` also asks for the log-probabilities of the prompts. */
  columns?(options: Options): Column[];
  /** Whether `prepare` reads native outputs. */
  looksAhead?(options: Options): boolean;
  prepare?(step: Step, options: Options, state: MethodState): Prepared;
  /** The one divisor of a step. */
  divisor(step: CountsOf<Input>): number;
  /** What the loss is a mean over, where that is not the divisor: the weight of an update among the others of its step. */
  size?(step: StepCounts, options: Options): number;
  loss(input: Input, options: Options): LossOutput;

  /** The model that is learnt from, how many of its likeliest ids a token, and what its logits are divided by. */
  teacher?(options: Options): { folder: string; topK: number; temperature: number };
  /** Where the value head sits: on the policy, or on an adapter of its own. */
  valueHead?(options: Options): 'shared' | 'adapter';
  /** What a ranking becomes; without it its pairs. */
  rankings?(options: Options): 'pairs' | 'whole';
  /** Tokens of a sequence as it is trained, over those that it has; without it 1. */
  growth?(options: Options): number;
  /** Whether what is sampled waits for people to rank it. */
  waits?(options: Options): boolean;
  /** What brings the scores of the training answers to mean 0 and deviation 1, for those who read the model. */
  scoreConstants?(scores: Numbers, options: Options): { mean: number; std: number };
  /** Why a step of one row teaches nothing, as words behind the method's name. */
  readonly needsOthers?: string;
  /** What is to be said of the rows of a run, by the number of its units of each kind. */
  rowWarnings?(units: Readonly<Record<string, number>>, options: Options): { code: string; message: string }[];
  /** Steps whose loss is in nats and comparable with that of the first; without it all where `nats`, none otherwise. */
  comparable?(options: Options): 'all' | 'early' | 'none';
  /** Metric of a step that is the policy's distance from its reference, in nats an answer. */
  readonly distance?: string;
}

type Part = Pick<Partial<LossOutput> & Prepared, 'metrics' | 'lossSum'>;

/** The step's loss and metrics from all its micro-batches (and what was prepared), and the sums behind the metrics. A figure that nothing was counted for is left out. */
export function stepTotals(
  parts: readonly Part[],
  divisor: number,
): { loss: number; metrics: Record<string, number>; sums: Record<string, Metric> } {
  const lossSum = parts.reduce((sum, part) => sum + (part.lossSum ?? 0), 0);
  const sums = metricSums(parts);
  return { loss: lossSum / divisor, metrics: metricMeans(sums), sums };
}

/** Metrics of several parts added up by name. */
export function metricSums(parts: readonly Pick<Part, 'metrics'>[]): Record<string, Metric> {
  const sums = new Map<string, Metric>();
  for (const [name, { sum, count }] of parts.flatMap(({ metrics }) => Object.entries(metrics))) {
    const before = sums.get(name) ?? { sum: 0, count: 0 };
    sums.set(name, { sum: before.sum + sum, count: before.count + count });
  }
  return Object.fromEntries(sums);
}

/** Means of what was counted. */
export const metricMeans = (sums: Readonly<Record<string, Metric>>): Record<string, number> =>
  Object.fromEntries(Object.entries(sums).flatMap(([name, { sum, count }]) => (count === 0 ? [] : [[name, sum / count]])));
