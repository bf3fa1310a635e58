// The losses that TRL's real trainers gave on a tiny model (test/reference/trl_golden.json), from the log-probabilities recorded beside them.
import { describe, expect, it } from 'vitest';
import type { MethodName } from '../../lib/methods/index.js';
import golden from '../reference/trl_golden.json' with { type: 'json' };
import ld from '../reference/trl_golden_ld.json' with { type: 'json' };
import { flat, layout, lossOf, optionsOf, runStep, type StepInput } from './step.js';

/** Inputs and losses were written with six decimals; TRL computed in single precision. */
const DECIMALS = 0.5e-6;
const SINGLE = 2e-6;

/** What the rounding of the inputs can have moved the loss by, to first order, and TRL's own rounding. */
function bound(loss: number, gradient: Record<string, number[][]>): number {
  const slope = Object.values(gradient)
    .flat(2)
    .reduce((sum, one) => sum + Math.abs(one), 0);
  return DECIMALS * (1 + 4 * slope) + SINGLE * Math.max(1, Math.abs(loss));
}

function expectLoss(method: MethodName, options: object, step: StepInput, wanted: number) {
  const { loss, gradient } = runStep(method, { ...optionsOf(method), ...options }, step);
  expect(Math.abs(loss - wanted), `${loss}, not ${wanted}`).toBeLessThanOrEqual(bound(loss, gradient));
}

/** Pairs of which only the sums are known: each sum is spread evenly over its tokens. */
function pairsStep(chosen: number[], rejected: number[], lengths: [number[], number[]], reference?: [number[], number[]]): StepInput {
  const spread = (sides: [number[], number[]]) =>
    chosen.flatMap((_, k) => [0, 1].map((side) => new Array(lengths[side]![k]!).fill(sides[side]![k]! / lengths[side]![k]!) as number[]));
  const rows = spread([chosen, rejected]);
  const columns = layout(
    rows,
    rows.map((_, s) => s >> 1),
  );
  return {
    columns: reference === undefined ? columns : { ...columns, reference: flat(spread(reference)) },
    outputs: { logprob: flat(rows) },
  };
}

const { dpo, reward, orpo, cpo, kto, grpo } = golden;
const lengths: [number[], number[]] = [dpo.len_chosen, dpo.len_rejected];
const pairs = pairsStep(dpo.logp_chosen, dpo.logp_rejected, lengths, [dpo.ref_chosen, dpo.ref_rejected]);

describe('dpo', () => {
  const names = {
    exo_pair: 'exo',
    nca_pair: 'nca',
    bco_pair: 'bco',
    sppo_hard: 'sppo',
    aot_unpaired: 'aotUnpaired',
    apo_zero: 'apoZero',
    apo_down: 'apoDown',
    sigmoid_norm: 'sigmoidNorm',
  };
  const divergences = { forward_kl: 'forwardKl', js_divergence: 'jsDivergence', alpha_divergence: 'alphaDivergence' };
  // LD-DPO needs each token: below.
  const cases = Object.entries(dpo.loss).filter(([name]) => !name.includes('ld_alpha'));

  it.each(cases)('%s', (name, wanted) => {
    const [loss, divergence] = name.split('|') as [string, string?];
    const smoothing = ['exo_pair', 'robust', 'aot', 'aot_unpaired'].includes(loss) ? dpo.label_smoothing : 0; // TRL's sigmoid has none
    const options = { beta: dpo.beta, loss: names[loss as keyof typeof names] ?? loss, labelSmoothing: smoothing };
    expectLoss('dpo', { ...options, divergence: divergences[divergence as keyof typeof divergences] ?? 'reverseKl' }, pairs, wanted);
  });
});

it('dpo with ldAlpha', () => {
  const sides = (chosen: number[][], rejected: number[][]) => chosen.flatMap((row, k) => [row, rejected[k]!]);
  const [logprob, reference] = [sides(ld.logp_chosen, ld.logp_rejected), sides(ld.ref_chosen, ld.ref_rejected)];
  const columns = layout(
    logprob,
    logprob.map((_, s) => s >> 1),
  );
  const step = { columns: { ...columns, reference: flat(reference) }, outputs: { logprob: flat(logprob) } };
  expectLoss('dpo', { beta: ld.beta, ldAlpha: ld.ld_alpha }, step, ld.loss);
});

it('reward', () => {
  const score = reward.chosen.flatMap((one, k) => [one, reward.rejected[k]!]);
  const columns = layout(
    score.map(() => []),
    score.map((_, s) => s >> 1),
  );
  expectLoss(
    'reward',
    { centering: 0.01 },
    { columns, outputs: { logprob: new Float64Array(0), score: Float64Array.from(score) } },
    reward.loss,
  );
});

describe('without reference', () => {
  // These trainers put a begin token before the prompt: other log-probabilities than dpo's.
  const sums = (means: number[], sizes: number[]) => means.map((mean, k) => mean * sizes[k]!);
  const step = pairsStep(sums(orpo.avg_logp_chosen, lengths[0]), sums(orpo.avg_logp_rejected, lengths[1]), lengths);

  it('orpo', () => {
    const { loss, metrics, gradient } = runStep('orpo', optionsOf('orpo'), step);
    const withWhole = loss - metrics.nll! + orpo.nll_full_sequence; // the prompts' own log-probabilities were not recorded
    expect(Math.abs(withWhole - orpo.loss)).toBeLessThanOrEqual(bound(withWhole, gradient));
  });

  it.each(['sigmoid', 'hinge', 'ipo'] as const)('cpo %s', (loss) => expectLoss('cpo', { loss }, step, cpo[loss]));
  it('simpo', () => expectLoss('simpo', { beta: 0.1, gammaRatio: 5 }, step, cpo.simpo));
});

it('kto', () => {
  const rows = kto.logratio.map((ratio) => [ratio - 30]);
  const columns = {
    ...layout(rows, [0, 1, 2, 3]),
    reference: new Float64Array(4).fill(-30),
    label: Float64Array.from(kto.label, Number),
    mismatch: new Float64Array(4).fill(-1), // recorded: below 0, and so 0
  };
  expectLoss('kto', { kl: 'batch' }, { columns, outputs: { logprob: flat(rows) } }, kto.loss);
});

describe('grpo', () => {
  const kept = (rows: number[][]) =>
    rows.map((row, s) =>
      row.slice(
        0,
        grpo.mask[s]!.reduce((sum, one) => sum + one, 0),
      ),
    );
  const rows = kept(grpo.logp);
  const columns = { ...layout(rows, [0, 0, 0, 0]), reference: flat(kept(grpo.ref)) };
  const advantage = flat(rows.map((row, s) => row.map(() => grpo.adv[s]!)));
  const kinds = { grpo: 'grpo', bnpo: 'bnpo', dr_grpo: 'drGrpo', dapo: 'dapo', cispo: 'cispo', 'gspo(grpo agg)': 'grpo' } as const;

  it.each(Object.entries(kinds))('%s', (theirs, loss) => {
    const options = {
      ...optionsOf('grpo'),
      loss,
      beta: grpo.beta,
      maxNewTokens: 5,
      importance: theirs.startsWith('gspo') ? 'sequence' : 'token',
    };
    const bounded = loss === 'cispo' ? { ...options, clipHigh: 0.2 } : options; // TRL's bound, below any ratio
    const found = lossOf('grpo', bounded, { ...columns, old: flat(kept(grpo.old)), advantage }, { logprob: flat(rows) });
    const wanted = grpo.loss[theirs as keyof typeof grpo.loss];
    expect(Math.abs(found.loss - wanted)).toBeLessThanOrEqual(bound(found.loss, { logprob: [Array.from(found.gradient.logprob)] }));
  });
});
