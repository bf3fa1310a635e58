/** Known failures of learning from rollouts, seen in a step's figures. */
import type { Warning } from '../../data/index.js';
import type { StepEvent } from '../events.js';

/** Steps in a row that showed each failure; part of a checkpoint. */
export type Watch = Readonly<Record<string, number>>;

interface Failure {
  code: string;
  shows(step: StepEvent): boolean;
  /** Steps in a row after which it is told. */
  after: number;
  message(step: StepEvent): string;
}

/** KL a token, in nats, at which a policy no longer writes what its reference would. */
const FAR = 1.5;

const figure = (step: StepEvent, name: string) => step[name] as number | undefined;

const FAILURES: readonly Failure[] = [
  {
    code: 'rewards_equal',
    // Where answers are compared, those to one prompt; else all of the step.
    shows: (step) => figure(step, 'rewardStd') === 0 || (figure(step, 'equalShare') === 1 && figure(step, 'klCoefficient') === undefined),
    after: 5,
    message: ({ reward }) =>
      `for 5 steps all answers to a prompt got the same reward (now ${Number(reward).toPrecision(4)}), from which nothing is learnt: look at the reward, the temperature, or easier prompts`,
  },
  {
    code: 'never_stops',
    shows: (step) => figure(step, 'stoppedShare') === 0,
    after: 5,
    message: () =>
      'for 5 steps no answer stopped by itself: all were cut at method.maxNewTokens; raise it, give method.stop, or method.missingStopPenalty of ppo',
  },
  {
    code: 'kl_high',
    shows: (step) => Math.abs(figure(step, 'kl') ?? 0) > FAR,
    after: 1,
    message: ({ kl }) =>
      `the policy is ${Number(kl).toFixed(2)} nats a token away from its reference, more than ${FAR}: its answers may only please the judge; raise the weight of the KL, or lower train.learningRate`,
  },
];

/** What is new to be told after a step, each failure once when it begins to last, and what to remember. */
export function watched(watch: Watch, step: StepEvent): { warnings: Warning[]; watch: Watch } {
  const seen = FAILURES.map((failure) => ({ failure, count: failure.shows(step) ? (watch[failure.code] ?? 0) + 1 : 0 }));
  const told = seen.filter(({ failure, count }) => count === failure.after);
  return {
    warnings: told.map(({ failure }) => ({ code: failure.code, message: `step ${step.step}: ${failure.message(step)}` })),
    watch: Object.fromEntries(seen.filter(({ count }) => count > 0).map(({ failure, count }) => [failure.code, count])),
  };
}
