/** Events of a run in words. */
import { describeCounts } from '../data/sequences/preview.js';
import type { DoneEvent, EvaluationEvent, SampledEvent, StartEvent, StepEvent, TrainingEvent } from '../training/events.js';

/** What an event is in words; steps have a line of their own. */
export function describe(event: Exclude<TrainingEvent, StepEvent | SampledEvent>): string {
  switch (event.event) {
    case 'start':
      return describeStart(event);
    case 'stage':
      return `stage ${event.stage} of ${event.stages}: ${event.method}, in ${event.folder}`;
    case 'evaluation':
      return describeEvaluation(event);
    case 'warning':
      return `warning: ${event.message}`;
    case 'checkpoint':
      return `step ${event.step}: checkpoint ${event.path}`;
    case 'done':
      return describeDone(event);
  }
}

/** `1,234` */
export const count = (n: number) => Math.round(n).toLocaleString('en-US');

/** `step 12/100  loss 2.3142  lr 2.0e-4  norm 0.830  1,234 tok/s  3m12s left  812 MiB`: fits 80 columns; a method's own figures come after the loss. */
export function describeStep(event: StepEvent, steps: number, secondsLeft: number): string {
  const { step, loss, learningRate, gradientNorm, tokensPerSecond, memoryMiB } = event;
  const parts = [
    `step ${step}/${steps}`,
    `loss ${loss.toFixed(4)}`,
    ...describeMetrics(event),
    `lr ${learningRate.toExponential(1)}`,
    `norm ${gradientNorm.toPrecision(3)}`,
    `${count(tokensPerSecond)} tok/s`,
    step < steps ? `${duration(secondsLeft)} left` : '',
    `${count(memoryMiB)} MiB`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function describeStart({ steps, from, parameters, counts, heldOut, microBatchTokens }: StartEvent): string {
  const again = from > 0 ? `, going on after step ${from}` : '';
  const held = heldOut > 0 ? ` ${count(heldOut)} sequences held out.` : '';
  return `${describeCounts(counts)}${held}\n${count(parameters)} numbers are trained in ${count(steps)} steps, at most ${count(microBatchTokens)} tokens in flight${again}`;
}

/** `prompts 32/200  answers 120  reward 0.310  length 48  1,234 tok/s  812 MiB` */
export function describeSampled(event: SampledEvent): string {
  const { prompts, of, answers, tokensPerSecond, memoryMiB } = event;
  const parts = [
    `prompts ${prompts}/${of}`,
    `answers ${answers}`,
    ...describeMetrics({ ...event }),
    `${count(tokensPerSecond)} tok/s`,
    `${count(memoryMiB)} MiB`,
  ];
  return parts.join('  ');
}

function describeDone({ step, weights }: DoneEvent): string {
  if (step === 0) return 'done';
  return weights === undefined
    ? `done after ${step} steps`
    : `done after ${step} steps; what came out is of step ${weights.step}: ${weights.why}`;
}

function describeEvaluation(event: EvaluationEvent): string {
  const { step, nll, perplexity, loss, tokens } = event;
  const figures =
    perplexity === undefined
      ? [`loss ${loss?.toFixed(4)}`, ...describeMetrics(event)].join(', ')
      : `${nll?.toFixed(4)} nats a token, perplexity ${perplexity.toPrecision(4)}`;
  return `step ${step}: held out ${figures}, over ${count(tokens)} tokens`;
}

/** Figures of methods in few words, in the order of their weight; a step shows those that it has. */
const METRICS: readonly (readonly [key: string, word: string, digits: number])[] = [
  ['reward', 'reward', 3],
  ['rewardMargin', 'margin', 3],
  ['rewardAccuracy', 'acc', 2],
  ['kl', 'kl', 3],
  ['logpChosen', 'chosen', 1],
  ['logpRejected', 'rejected', 1],
  ['entropy', 'entropy', 2],
  ['clipFraction', 'clipped', 2],
  ['explainedVariance', 'explained', 2],
  ['completionLength', 'length', 0],
  ['stoppedShare', 'stopped', 2],
];

function describeMetrics(event: { [metric: string]: number | string | undefined }): string[] {
  return METRICS.flatMap(([key, word, digits]) => {
    const value = event[key];
    return typeof value === 'number' ? [`${word} ${value.toFixed(digits)}`] : [];
  });
}

/** `8s`, `3m12s`, `2h05m` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}
