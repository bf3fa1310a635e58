// Figures that fit no unit are told before the first step, and a loss that runs away after it, with the key that they stand under.
import { describe, expect, it } from 'vitest';
import { type MethodOptions, parseRecipe, type RecipeInput } from '../../../lib/recipe/index.js';
import type { TrainingEvent } from '../../../lib/training/events.js';
import { type RunFacts, recipeWarnings } from '../../../lib/training/run/recipe_warnings.js';
import { watchedLoss } from '../../../lib/training/step/loss_watch.js';
import type { PreferenceWatch } from '../../../lib/training/step/preference_warnings.js';
import { ADAPTER, tinyRecipe, trained } from '../../support/events.js';
import { preferenceRecipe, tinyPairs } from '../../support/preferences.js';
import { placesIn, scratchFolder } from '../../support/tiny_model.js';

const place = placesIn(scratchFolder());
/** 200 rows of 50 tokens, 100 steps. */
const FACTS: RunFacts = { steps: 100, unitTokens: new Array(200).fill(50), rows: 200, heldOut: 10 };
const STEPS = { steps: 100, rowsPerStep: 4 };

function codes({ train = {}, ...change }: Record<string, unknown>, facts: Partial<RunFacts> = {}) {
  const recipe = { model: 'm', method: 'sft', data: 'd', adapter: {}, train: { ...STEPS, ...(train as object) }, ...change };
  const told = recipeWarnings(parseRecipe(recipe as RecipeInput).recipe, { ...FACTS, ...facts });
  return told.map(({ code, message }) => [code, /(train|adapter|evaluate)\.\w+/.exec(message)?.[0]]);
}
const tokens = (tokensPerStep: number) => ({ rowsPerStep: undefined, tokensPerStep });

describe('figures that fit', () => {
  it.each<[string, Record<string, unknown>, Partial<RunFacts>?]>([
    ['the defaults', {}],
    ['the largest rates', { train: { learningRate: 2e-2 } }],
    ['the largest rate of all weights', { adapter: null, train: { learningRate: 1e-2 } }],
    ['a warm-up of all steps but one', { train: { warmup: 99 } }],
    ['no warm-up of one step', { train: { warmup: 0, steps: 1 } }, { steps: 1 }],
    ['defaults of evaluation and checkpoints in a short run', { train: { steps: 3 }, evaluate: { fraction: 0.1 } }, { steps: 3 }],
    ['fifty passes', { train: { steps: undefined, epochs: 50 } }],
    ['many passes over prompts', { method: { name: 'grpo', rewards: [{ model: 'r' }] }, train: { steps: 1e4 } }, { steps: 1e4 }],
    ['a step as large as the data', { train: { rowsPerStep: 200, steps: 10 } }, { steps: 10 }],
    ['the default of tokensPerStep', { train: { ...tokens(4096), steps: 10 } }, { steps: 10 }],
    ['decay of wsd', { train: { schedule: 'wsd', decay: 0.1 } }],
    ['rsLoRA', { adapter: { rank: 64, alpha: 128, rsLora: true } }],
    ['early stopping just in time', { train: { earlyStopping: { patience: 3 } }, evaluate: { fraction: 0.1, every: 33 } }],
  ])('say nothing: %s', (_what, change, facts) => expect(codes(change, facts)).toEqual([]));
});

describe('a warning names the key of', () => {
  it.each<[string, string, Record<string, unknown>, Partial<RunFacts>?]>([
    ['learning_rate_high', 'train.learningRate', { train: { learningRate: 0.03 } }],
    ['learning_rate_high', 'train.learningRate', { adapter: null, train: { learningRate: 0.011 } }],
    ['warmup_beyond_run', 'train.warmup', { train: { warmup: 100 } }],
    ['warmup_beyond_run', 'train.warmup', { train: { warmup: 0.999 } }],
    ['warmup_beyond_run', 'train.warmup', { train: { warmup: 1, steps: 1 } }, { steps: 1 }],
    ['decay_high', 'train.weightDecay', { train: { weightDecay: 10 } }],
    ['betas_swapped', 'train.betas', { train: { betas: [0.999, 0.9] } }],
    ['option_unused', 'train.decay', { train: { decay: 0.5 } }],
    ['adapter_scale', 'adapter.alpha', { adapter: { rank: 8, alpha: 512 } }],
    ['many_passes', 'train.epochs', { train: { steps: undefined, epochs: 300 } }],
    ['many_passes', 'train.steps', { train: { steps: 10000 } }, { steps: 10000 }],
    ['many_passes', 'train.steps', { train: { ...tokens(1000), steps: 600 } }, { steps: 600 }],
    ['step_beyond_data', 'train.rowsPerStep', { train: { rowsPerStep: 4096, steps: 2 } }, { steps: 2 }],
    ['step_beyond_data', 'train.tokensPerStep', { train: { ...tokens(1e6), steps: 1 } }, { steps: 1, rows: 99, unitTokens: [4e5] }],
    ['step_below_rows', 'train.tokensPerStep', { train: tokens(8) }],
    ['checkpoint_late', 'train.checkpointEvery', { train: { checkpointEvery: 500 } }],
    ['evaluation_late', 'evaluate.every', { evaluate: { fraction: 0.1, every: 500 } }],
    ['nothing_held_out', 'evaluate.fraction', { evaluate: { fraction: 0.001 } }, { heldOut: 0 }],
    ['held_out_large', 'evaluate.fraction', { evaluate: { fraction: 0.9 } }],
    ['early_stopping_idle', 'train.earlyStopping', { train: { earlyStopping: { patience: 4 } }, evaluate: { fraction: 0.1 } }],
  ])('%s: %s', (code, key, change, facts) => expect(codes(change, facts)).toEqual([[code, key]]));

  it('kto whose steps hold one row', () => {
    const told = codes({ method: 'kto', train: { ...tokens(40), steps: 100 } });
    expect(told.map(([code]) => code)).toEqual(['step_below_rows', 'kto_single_rows']);
  });
});

describe('a loss that rises', () => {
  /** Steps at which it is told. */
  function told(method: object, losses: number[]): number[] {
    let watch: PreferenceWatch = {};
    return losses.flatMap((loss, n) => {
      const found = watchedLoss(watch, { step: n + 1, loss, learningRate: 1 }, method as MethodOptions);
      watch = JSON.parse(JSON.stringify(found.watch));
      return found.warnings.map(() => n + 1);
    });
  }
  const late = [0.7, ...new Array(30).fill(0.6), 9];

  it('is told once, above three nats', () => {
    expect(told({ name: 'sft' }, [2, 4.9, 5.1, 9, 2, 9])).toEqual([3]);
    expect(told({ name: 'sft' }, [9, 2, 6, 12])).toEqual([]);
    expect(told({ name: 'pretrain' }, late)).toEqual([32]);
  });

  it('is told of comparisons near their start, and of losses in nats alone', () => {
    expect(told({ name: 'dpo', loss: 'sigmoid' }, [0.69, 4])).toEqual([2]);
    expect(told({ name: 'dpo', loss: 'sigmoid' }, late)).toEqual([]);
    expect(told({ name: 'dpo', loss: ['sigmoid', 'ipo'] }, [25, 40])).toEqual([]);
    for (const name of ['simpo', 'cpo', 'kto', 'ppo']) expect(told({ name }, [0.1, 40])).toEqual([]);
  });
});

describe('a run', () => {
  const told = (events: TrainingEvent[]) => events.flatMap((event) => (event.event === 'warning' ? [[event.code, event.step]] : []));

  it('tells both', async () => {
    const train = { learningRate: 3, warmup: 0, schedule: 'constant', clip: 0 };
    expect(told(await trained(tinyRecipe(place(), { adapter: null, train })))).toEqual([
      ['learning_rate_high', undefined],
      ['loss_rising', 2],
    ]);
    const pairs = preferenceRecipe(place(), { name: 'dpo', beta: 1 }, tinyPairs(8), { adapter: { ...ADAPTER, dropout: 0 }, train });
    expect(told(await trained(pairs))).toContainEqual(['loss_rising', expect.any(Number)]);
  });
});
