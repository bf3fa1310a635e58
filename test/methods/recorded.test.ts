// Loss, gradient and figures equal to TRL's own functions and to plain formulas under autograd, both in double precision (test/reference/methods.py).
import { describe, expect, it } from 'vitest';
import { type RecordedCase, recorded, stepOf } from './recorded.js';
import { optionsOf, runStep } from './step.js';

/** Gradients are handed out in single precision: 2⁻²⁴ of each, or of the largest where small ones are differences of large ones. */
const BOUND = 1e-6;

function expectNear(got: readonly number[], wanted: readonly number[], what: string) {
  expect(got.length, what).toBe(wanted.length);
  const largest = Math.max(...wanted.map(Math.abs), 1e-3);
  wanted.forEach((value, n) => {
    expect(Math.abs(got[n]! - value), `${what}[${n}] is ${got[n]}, not ${value}`).toBeLessThanOrEqual(BOUND * largest);
  });
}

const title = ({ method, options, source, given }: RecordedCase) =>
  `${method} ${JSON.stringify(options)}${given === undefined ? '' : ` temperature ${given.temperature}`} (${source})`;

/** Derivatives by logits from those by log-probabilities of named ids, as the native side takes them. */
function byLogits({ ids, probabilities, temperature }: NonNullable<RecordedCase['given']>, byCandidate: number[]): number[] {
  const K = ids[0]!.length;
  return probabilities.flatMap((p, t) => {
    const own = byCandidate.slice(t * K, (t + 1) * K);
    const total = own.reduce((sum, one) => sum + one, 0);
    return p.map((share, v) => ((own[ids[t]!.indexOf(v)] ?? 0) - total * share) / temperature);
  });
}

describe.each(recorded.map((one) => [title(one), one] as const))('%s', (_title, one) => {
  const step = stepOf(one);
  const found = runStep(one.method, optionsOf(one.method, one.options), step);

  it('has the loss', () => {
    expect(Math.abs(found.loss - one.loss)).toBeLessThanOrEqual(BOUND * Math.max(1, Math.abs(one.loss)));
  });

  it('has the gradient', () => {
    for (const [output, wanted] of Object.entries(one.gradient)) {
      if (output === 'prompt') continue;
      if (output === 'logits') expectNear(byLogits(one.given!, found.gradient.candidates!.flat()), wanted.flat(), output);
      else if (one.options.likelihood === 'full') expectPrompted(found.gradient.logprob!, one);
      else expectNear(found.gradient[output]!.flat(), wanted.flat(), output);
    }
  });

  it('has the figures', () => {
    for (const [name, wanted] of Object.entries(one.metrics)) expectNear([found.metrics[name] ?? Number.NaN], [wanted], name);
    if (one.prepared !== undefined) {
      expectNear([...found.columns.advantage!], one.prepared.advantage, 'advantage');
      expectNear([...found.columns.returns!], one.prepared.returns, 'returns');
    }
    const starts = found.columns.sequenceStarts;
    if (one.advantages !== undefined)
      expectNear(
        one.advantages.map((_, s) => found.columns.advantage![starts[s]!]!),
        one.advantages,
        'advantages',
      );
  });
});

/** Prompt and answer of each sequence stand together. */
function expectPrompted(got: number[][], { gradient }: RecordedCase) {
  const [prompts, answers] = [gradient.prompt as number[][], gradient.logprob as number[][]];
  expectNear(
    got.flat(),
    answers.flatMap((row, s) => [...prompts[s]!, ...row]),
    'logprob with prompts',
  );
}

it('covers every loss of every method', () => {
  const losses = new Set(recorded.flatMap(({ method, options }) => [options.loss ?? ''].flat().map((loss) => `${method} ${loss}`)));
  for (const loss of [
    'sigmoid',
    'hinge',
    'ipo',
    'exo',
    'nca',
    'robust',
    'bco',
    'sppo',
    'aot',
    'aotUnpaired',
    'apoZero',
    'apoDown',
    'discopop',
    'sigmoidNorm',
    'sft',
  ])
    expect(losses).toContain(`dpo ${loss}`);
  for (const loss of ['dapo', 'grpo', 'drGrpo', 'bnpo', 'cispo']) expect(losses).toContain(`grpo ${loss}`);
});
