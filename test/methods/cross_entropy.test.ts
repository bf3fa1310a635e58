import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { methods, stepTotals } from '../../lib/methods/index.js';
import type { LossInput, LossOutput } from '../../lib/methods/method.js';

/** The figures of one token from its logits, in double precision. */
function figures(logits: number[], target: number) {
  const top = Math.max(...logits);
  const lse = top + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - top), 0));
  const mean = logits.reduce((sum, z) => sum + z, 0) / logits.length;
  return { logprob: (logits[target] ?? 0) - lse, lse, mean };
}

/** The loss as it is defined on the whole distribution: -Σ q log p with q = (1 - ε) one-hot + ε / V, and ζ lse². */
function byDefinition(logits: number[], target: number, smoothing: number, zLoss: number): number {
  const { lse } = figures(logits, target);
  const q = logits.map((_, v) => smoothing / logits.length + (v === target ? 1 - smoothing : 0));
  return q.reduce((sum, share, v) => sum - share * ((logits[v] ?? 0) - lse), 0) + zLoss * lse * lse;
}

type Token = { logits: number[]; target: number };

function input(tokens: Token[], divisor: number): LossInput {
  const all = tokens.map(({ logits, target }) => figures(logits, target));
  const column = (name: 'logprob' | 'lse' | 'mean') => Float32Array.from(all, (one) => one[name]);
  return { logprob: column('logprob'), lse: column('lse'), mean: column('mean'), divisor };
}

const token = fc.record({
  logits: fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: 5, maxLength: 5 }),
  target: fc.nat(4),
});
/** Sequences without a trained token, and a micro-batch of them alone, are drawn too. */
const tokens = fc.oneof({ weight: 9, arbitrary: fc.array(token, { maxLength: 24 }) }, fc.constant<Token[]>([]));
const options = fc.constantFrom(...[0, 0.1, 0.5].flatMap((labelSmoothing) => [0, 1e-2].map((zLoss) => ({ labelSmoothing, zLoss }))));
const near = (got: number, expected: number, bound: number) => expect(Math.abs(got - expected)).toBeLessThanOrEqual(bound);

describe.each(['pretrain', 'sft'] as const)('%s', (name) => {
  const method = methods[name];

  it('is the cross-entropy with smoothed targets, and the square of the log-sum-exp', () => {
    fc.assert(
      fc.property(tokens, options, (some, chosen) => {
        const { lossSum } = method.loss(input(some, Math.max(1, some.length)), chosen);
        const expected = some.reduce(
          (sum, { logits, target }) => sum + byDefinition(logits, target, chosen.labelSmoothing, chosen.zLoss),
          0,
        );
        // Logits up to 8 give |log p| up to 16 + ln 5 and |lse| up to 8 + ln 5, each rounded to f32 once; the loss has slope 1 + 2 ζ |lse| in them.
        near(lossSum, expected, 2 ** -24 * some.length * (16 + Math.log(5) + 2 * (8 + Math.log(5)) + 1));
      }),
    );
  });

  it('has the gradient that finite differences of the definition give, logit by logit', () => {
    fc.assert(
      fc.property(token, options, ({ logits, target }, chosen) => {
        const divisor = 7;
        const { gradient } = method.loss(input([{ logits, target }], divisor), chosen);
        const { lse } = figures(logits, target);
        for (const v of logits.keys()) {
          const p = Math.exp((logits[v] ?? 0) - lse);
          const own = v === target ? 1 : 0;
          const chain = (gradient.logprob[0] ?? 0) * (own - p) + (gradient.lse?.[0] ?? 0) * p + (gradient.mean?.[0] ?? 0) / logits.length;
          const at = (by: number) =>
            byDefinition(
              logits.map((z, n) => (n === v ? z + by : z)),
              target,
              chosen.labelSmoothing,
              chosen.zLoss,
            );
          near(chain, (at(1e-5) - at(-1e-5)) / 2e-5 / divisor, 1e-6);
        }
      }),
    );
  });

  it('gives the same loss and gradient however a step is split', () => {
    fc.assert(
      fc.property(tokens, options, fc.array(fc.nat(24), { maxLength: 4 }), (some, chosen, cuts) => {
        const divisor = method.divisor({ trainedTokens: Math.max(1, some.length), sequences: 1 });
        const whole = method.loss(input(some, divisor), chosen);
        const borders = [0, ...cuts.map((cut) => Math.min(cut, some.length)).sort((a, b) => a - b), some.length];
        const parts = borders.slice(1).map((end, n) => method.loss(input(some.slice(borders[n], end), divisor), chosen));
        const [one, many] = [stepTotals([whole], divisor), stepTotals(parts, divisor)];
        near(many.loss, one.loss, 1e-12 * Math.max(1, Math.abs(one.loss)));
        for (const [metric, value] of Object.entries(one.metrics))
          near(many.metrics[metric] ?? Number.NaN, value, 1e-12 * Math.max(1, Math.abs(value)));
        const joined = (output: keyof LossOutput['gradient']) => parts.flatMap((part) => [...(part.gradient[output] ?? [])]);
        for (const output of ['logprob', 'lse', 'mean'] as const) expect(joined(output)).toEqual([...(whole.gradient[output] ?? [])]);
      }),
    );
  });

  it('asks only for what it reads, and gives a gradient for just that', () => {
    fc.assert(
      fc.property(tokens, options, (some, chosen) => {
        const { logprob, divisor, ...rest } = input(some, Math.max(1, some.length));
        const outputs = method.outputs(chosen);
        const asked = Object.fromEntries(Object.entries(rest).filter(([output]) => (outputs as string[]).includes(output)));
        const { lossSum, gradient, metrics } = method.loss({ logprob, divisor, ...asked }, chosen);
        expect(lossSum).toBe(method.loss(input(some, Math.max(1, some.length)), chosen).lossSum);
        expect(Object.keys(gradient).sort()).toEqual(['logprob', ...outputs].sort());
        expect(Object.keys(metrics)).toEqual(outputs.length > 0 ? ['nll'] : []);
      }),
    );
    expect(method.outputs({ labelSmoothing: 0, zLoss: 0 })).toEqual([]);
  });

  it('is plain mean negative log-probability by default, and nothing of nothing', () => {
    const chosen = method.options.parse({ name });
    const { lossSum, gradient } = method.loss({ logprob: Float32Array.of(-1, -2, -4), divisor: 4 }, chosen);
    expect(lossSum / 4).toBe(1.75);
    expect([...gradient.logprob]).toEqual([-0.25, -0.25, -0.25]);
    expect(method.loss({ logprob: new Float32Array(0), divisor: 4 }, chosen)).toMatchObject({
      lossSum: 0,
      gradient: { logprob: new Float32Array(0) },
    });
  });

  it('hands a NaN on, for the run to stop at', () => {
    expect(method.loss({ logprob: Float32Array.of(-1, Number.NaN), divisor: 2 }, { labelSmoothing: 0, zLoss: 0 }).lossSum).toBeNaN();
  });

  it('says what it is', () => {
    expect(method.name).toBe(name);
    expect(method.summary).toMatch(/\.$/);
    expect(method.options.parse({ name, zLoss: 1 })).toMatchObject({ labelSmoothing: 0, zLoss: 1 });
    expect(() => method.options.parse({ name, beta: 1 })).toThrow();
  });
});
