// A policy of one table of logits learns to say a word that is rewarded: prepare, updates and loss together, on three seeds.
import { describe, expect, it } from 'vitest';
import { Random } from '../../lib/data/order/random.js';
import { type Columns, type MethodState, part, stepTotals, updates } from '../../lib/methods/index.js';
import { layout, lossOf, optionsOf, prepareStep } from './step.js';

const [PLACES, WORDS, GOOD] = [3, 5, 2];

/** A softmax over words and a value at each place of an answer. */
class Table {
  readonly logits = Array.from({ length: PLACES }, () => new Float64Array(WORDS));
  readonly values = new Float64Array(PLACES);

  logs(place: number): Float64Array {
    const z = this.logits[place]!;
    const lse = Math.log(z.reduce((sum, one) => sum + Math.exp(one), 0));
    return z.map((one) => one - lse);
  }

  sample(place: number, random: Random): number {
    let left = random.next() / 2 ** 32;
    const words = this.logs(place).map(Math.exp);
    for (let word = 0; word < WORDS - 1; word++) {
      left -= words[word]!;
      if (left < 0) return word;
    }
    return WORDS - 1;
  }

  outputs(answers: readonly number[][]) {
    const each = (f: (word: number, place: number) => number) => Float64Array.from(answers.flatMap((words) => words.map(f)));
    const entropy = (place: number) => -this.logs(place).reduce((sum, log) => sum + Math.exp(log) * log, 0);
    return {
      logprob: each((word, place) => this.logs(place)[word]!),
      value: each((_, place) => this.values[place]!),
      entropy: each((_, place) => entropy(place)),
    };
  }

  /** One step of gradient descent, by the derivatives of log-probabilities and values. */
  descend(answers: readonly number[][], gradient: { logprob: Float32Array; value?: Float32Array }, rate: number): void {
    const before = this.logits.map((_, place) => this.logs(place).map(Math.exp));
    let t = 0;
    for (const words of answers)
      for (const [place, word] of words.entries()) {
        for (let v = 0; v < WORDS; v++)
          this.logits[place]![v]! -= rate * gradient.logprob[t]! * ((v === word ? 1 : 0) - before[place]![v]!);
        this.values[place]! -= rate * (gradient.value?.[t] ?? 0);
        t++;
      }
  }
}

/** 16 answers to 4 prompts; the reward is the share of good words. */
function rollouts(policy: Table, reference: Table, random: Random): { answers: number[][]; columns: Columns } {
  const answers = Array.from({ length: 16 }, () => Array.from({ length: PLACES }, (_, place) => policy.sample(place, random)));
  const group = answers.map((_, n) => n >> 2);
  const reward = Float64Array.from(answers, (words) => words.filter((word) => word === GOOD).length / PLACES);
  const { logprob } = reference.outputs(answers);
  return { answers, columns: { ...layout(answers, group), reward, stopped: new Float64Array(16).fill(1), reference: logprob } };
}

const METHODS = [
  ['ppo', { epochs: 2, minibatches: 2, valueWeight: 0.5, kl: { coefficient: 0.05, target: 0.3 } }, 4],
  ['grpo', { beta: 0.02, epochs: 2 }, 3],
  ['grpo', { loss: 'cispo', clipHigh: 5 }, 3],
  ['rloo', { beta: 0.02 }, 3],
] as const;

describe.each(METHODS)('%s %j', (name, given, rate) => {
  it.each([1, 2, 3])('learns the rewarded word and stays near where it began, seed %i', (seed) => {
    const [policy, reference, random, options] = [new Table(), new Table(), new Random(seed), optionsOf(name, given)];
    const steps: Record<string, number>[] = [];
    let state: MethodState = {};
    for (let step = 0; step < 40; step++) {
      const { answers, columns } = rollouts(policy, reference, random);
      const found = prepareStep(name, options, { columns, outputs: policy.outputs(answers), state });
      state = found.prepared.state ?? {};
      for (const taken of updates(16, Number(options.epochs), Number(options.minibatches), random)) {
        const own = Array.from(taken, (n) => answers[n]!);
        const { gradient } = lossOf(name, options, part(found.columns, taken), policy.outputs(own));
        policy.descend(own, gradient, rate);
      }
      steps.push(stepTotals([found.prepared], 1).metrics);
    }
    const mean = (part: Record<string, number>[]) => part.reduce((sum, { reward = Number.NaN }) => sum + reward, 0) / part.length;
    expect(mean(steps.slice(-10))).toBeGreaterThan(3 / WORDS); // three times what it began with: all words are alike then
    expect(Math.max(...steps.map(({ kl = 0 }) => Math.abs(kl)))).toBeLessThan(Math.log(WORDS)); // the KL of saying nothing else
  });
});
