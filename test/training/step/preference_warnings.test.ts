import { describe, expect, it } from 'vitest';
import { methodOf } from '../../../lib/methods/index.js';
import type { MethodOptions } from '../../../lib/recipe/index.js';
import type { StepEvent } from '../../../lib/training/events.js';
import { type PreferenceWatch, watchedPreference } from '../../../lib/training/step/preference_warnings.js';

const DPO = { name: 'dpo', beta: 0.1, reference: 'start' } as MethodOptions;
const SIMPO = { name: 'simpo', beta: 2 } as MethodOptions;
const KTO = { name: 'kto', beta: 0.1, reference: 'start', desirableWeight: 1, undesirableWeight: 1 } as MethodOptions;

/** Codes told after each of `count` steps whose figures are `figures(n)`. */
function told(method: MethodOptions, count: number, figures: (n: number) => Record<string, number>): [number, string][] {
  let watch: PreferenceWatch = {};
  return Array.from({ length: count }, (_, n) => n + 1).flatMap((n) => {
    const found = watchedPreference(watch, { step: n, ...figures(n) } as unknown as StepEvent, method);
    watch = JSON.parse(JSON.stringify(found.watch));
    return found.warnings.map(({ code }): [number, string] => [n, code]);
  });
}

const rowWarnings = (method: MethodOptions, units: Record<string, number>) => methodOf(method).rowWarnings?.(units, method) ?? [];

describe('what is told of a run', () => {
  it('is once that chosen answers fall, held to a reference or not', () => {
    expect(told(DPO, 30, () => ({ logpChosen: -70, rewardChosen: -2 }))).toEqual([[10, 'chosen_falling']]);
    expect(told(DPO, 30, () => ({ logpChosen: -70, rewardChosen: -0.5 }))).toEqual([]);
    expect(told(SIMPO, 30, (n) => ({ logpChosen: n < 5 ? -2 : -4, rewardChosen: n < 5 ? -4 : -8 }))).toEqual([[14, 'chosen_falling']]);
    expect(told(SIMPO, 30, () => ({ logpChosen: -2, rewardChosen: -4 }))).toEqual([]);
  });

  it('is that the KL blows up, each time that it begins to', () => {
    const kl = (n: number) => ({ logpChosen: -70, rewardChosen: 1, kl: n > 3 && n !== 6 ? 80 : 1 });
    expect(told(KTO, 9, kl)).toEqual([
      [4, 'kl_high'],
      [7, 'kl_high'],
    ]);
  });

  it('is nothing of methods that learn texts', () => {
    expect(told({ name: 'sft' } as MethodOptions, 20, () => ({}))).toEqual([]);
  });
});

it('says before the first step that thumbs are out of balance, with the weight that mends it', () => {
  const [warning] = rowWarnings(KTO, { up: 90, down: 30 });
  expect(warning).toMatchObject({ code: 'unbalanced', message: expect.stringContaining('desirableWeight 0.333 to 0.444') });
  expect(rowWarnings(KTO, { up: 40, down: 30 })).toEqual([]);
  expect(rowWarnings(DPO, { pairs: 9 })).toEqual([]);
});
