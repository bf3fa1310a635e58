/**
 * Figures of a recipe that are valid one by one and make no sense together or with the rows at hand: most often a wrong unit (steps for a share, tokens
 * for rows, the rate of another optimiser). Each is told before the first step, with the key that it stands under.
 */

import { type Tokens, unitStarts, type Warning } from '../../data/index.js';
import { methodOf, methods } from '../../methods/index.js';
import type { Recipe } from '../../recipe/index.js';
import { warmupSteps } from './schedule.js';

/** What is known of a run before its first step. */
export interface RunFacts {
  steps: number;
  /** Tokens of each unit of the training rows: a row, a pair, a ranking, a prompt. */
  unitTokens: readonly number[];
  /** What `rowsPerStep` counts the units as. */
  rows: number;
  heldOut: number;
}

/**
 * Rates above these move a network further in a few steps than its weights are large. AdamW moves each weight by about the rate, and weights of a matrix
 * are about 0.02 large. An adapter's product moves less: with rank 16 and alpha 32 SmolLM2-135M and the embedded model still learnt at 0.01, and at
 * 0.03 their loss rose by 20 and by 5 nats within five steps.
 */
const HIGHEST_RATE = { weights: 1e-2, adapter: 2e-2 };
/** Passes over the same rows beyond which a network learns them by heart; fine-tuning takes 1 to 5. */
const MOST_PASSES = 50;
/** Factor of the low-rank term beyond which an adapter's first steps jump: usual is 1 or 2, with rsLoRA up to 8. */
const LARGEST_SCALE = 32;
/** Share of the rows beyond which more is held out than trained. */
const LARGEST_SHARE = 0.5;
/** Defaults, which say nothing of the user's wish. */
const DEFAULT = { every: 25, checkpointEvery: 50, decay: 0.2 };

/** The message where the figures do not fit. */
type Rule = (recipe: Recipe, facts: RunFacts) => string | undefined;
const where = (applies: boolean, message: string) => (applies ? message : undefined);

const RATE: Record<string, Rule> = {
  learning_rate_high({ adapter, train: { learningRate } }) {
    const [most, what, usual] =
      adapter === null ? [HIGHEST_RATE.weights, 'all weights', '1e-6 to 1e-4'] : [HIGHEST_RATE.adapter, 'an adapter', '1e-5 to 1e-3'];
    const message = `train.learningRate ${learningRate} is above ${most} for ${what}: a few steps undo what the model knows; usual is ${usual}`;
    return where(learningRate > most, message);
  },
  warmup_beyond_run({ train: { warmup } }, { steps }) {
    const warming = warmupSteps(warmup, steps);
    const message = `train.warmup ${warmup} is ${warming} steps, and the run has ${steps}: the rate never reaches train.learningRate; a share of the steps is written as 0.05`;
    return where(warming > 0 && warming >= steps, message);
  },
  decay_high: ({ train: { weightDecay } }) => where(weightDecay > 1, `train.weightDecay ${weightDecay} is above 1: usual is 0 to 0.1`),
  betas_swapped: ({ train: { betas } }) =>
    where(betas[0] > betas[1], `train.betas [${betas.join(', ')}] keep gradients longer than their squares: usual is [0.9, 0.999]`),
  adapter_scale({ adapter }) {
    if (adapter === null || 'from' in adapter) return undefined;
    const scale = adapter.alpha / (adapter.rsLora ? Math.sqrt(adapter.rank) : adapter.rank);
    const message = `adapter.alpha ${adapter.alpha} multiplies the low-rank term by ${scale}, more than ${LARGEST_SCALE}: usual is one or two times adapter.rank`;
    return where(scale > LARGEST_SCALE, message);
  },
  option_unused: ({ train: { schedule, decay } }) =>
    where(
      schedule !== 'wsd' && decay !== DEFAULT.decay,
      `train.decay ${decay} has no effect: it is of the schedule wsd, and this is ${schedule}`,
    ),
};

const STEPS: Record<string, Rule> = {
  many_passes({ method, train }, facts) {
    const most = passes(train, facts);
    const key = train.epochs === undefined ? `steps ${train.steps}` : `epochs ${train.epochs}`;
    const message = `train.${key} passes ${Math.round(most)} times over the ${facts.rows} rows: more than ${MOST_PASSES} times learns them by heart; evaluate shows when it no longer helps`;
    return where(most > MOST_PASSES && methods[method.name].needs.rollouts !== true, message);
  },
  step_beyond_data({ train: { rowsPerStep = 0, tokensPerStep = 0, steps } }, { rows, unitTokens }) {
    const all = sumOf(unitTokens);
    const again = 'a step takes rows more than once';
    if (rowsPerStep > rows) return `train.rowsPerStep ${rowsPerStep} is more than the ${rows} rows of the data: ${again}`;
    const message = `train.tokensPerStep ${tokensPerStep} is more than twice the ${all} tokens of the data: ${again}`;
    return where(steps !== undefined && tokensPerStep > 2 * all, message);
  },
  step_below_rows({ train: { tokensPerStep } }, { unitTokens }) {
    const longer = countAbove(unitTokens, tokensPerStep);
    const message = `train.tokensPerStep ${tokensPerStep} is less than ${longer} of ${unitTokens.length} rows have (answers included): each is a step by itself, and is not cut; train.rowsPerStep counts rows`;
    return where(longer > 0, message);
  },
  kto_single_rows({ method, train: { tokensPerStep } }, { unitTokens }) {
    const { needsOthers } = methodOf(method);
    const alone = 2 * countAbove(unitTokens, tokensPerStep) > unitTokens.length;
    const message = `train.tokensPerStep ${tokensPerStep} leaves most steps one row, and ${method.name} ${needsOthers}: give train.rowsPerStep`;
    return where(needsOthers !== undefined && alone, message);
  },
};

const WATCHING: Record<string, Rule> = {
  checkpoint_late: ({ train: { checkpointEvery } }, { steps }) =>
    where(
      checkpointEvery > steps && checkpointEvery !== DEFAULT.checkpointEvery,
      `train.checkpointEvery ${checkpointEvery} is beyond the run's ${steps} steps: only the last one is kept`,
    ),
  evaluation_late: ({ evaluate }, { steps }) =>
    where(
      evaluate !== null && evaluate.every > steps && evaluate.every !== DEFAULT.every,
      `evaluate.every ${evaluate?.every} is beyond the run's ${steps} steps: held-out rows are measured before and after it alone`,
    ),
  nothing_held_out: ({ evaluate }, { rows, heldOut }) =>
    where(
      evaluate?.fraction !== undefined && heldOut === 0,
      `evaluate.fraction ${evaluate?.fraction} holds out none of ${rows} rows, and nothing is evaluated: raise it, or give evaluate.data`,
    ),
  held_out_large: ({ evaluate }, { heldOut }) =>
    where(
      heldOut > 0 && (evaluate?.fraction ?? 0) > LARGEST_SHARE,
      `evaluate.fraction ${evaluate?.fraction} holds out more rows than are trained: it is the share that is measured`,
    ),
  early_stopping_idle({ evaluate, train: { earlyStopping } }, { steps }) {
    if (earlyStopping === null || evaluate === null) return undefined;
    const least = earlyStopping.patience * evaluate.every;
    const message = `train.earlyStopping cannot end the run: patience ${earlyStopping.patience} × evaluate.every ${evaluate.every} are ${least} steps, and the run has ${steps}`;
    return where(least >= steps, message);
  },
};

/** Remarks on a recipe before its first step. */
export function recipeWarnings(recipe: Recipe, facts: RunFacts): Warning[] {
  return Object.entries({ ...RATE, ...STEPS, ...WATCHING }).flatMap(([code, rule]) => {
    const message = rule(recipe, facts);
    return message === undefined ? [] : [{ code, message }];
  });
}

/** Facts of a run over these rows. */
export function runFacts(sequences: readonly Tokens[], heldOut: number, steps: number): RunFacts {
  const starts = unitStarts(sequences);
  const unitTokens = Array.from(starts.subarray(0, -1), (from, n) =>
    sumOf(sequences.slice(from, starts[n + 1]).map(({ ids }) => ids.length)),
  );
  const rows = Array.from(starts.subarray(0, -1), (from) => sequences[from]?.unit?.rows ?? 1);
  return { steps, unitTokens, rows: sumOf(rows), heldOut };
}

/** How often a run passes over its rows. */
function passes({ steps = 0, rowsPerStep, tokensPerStep = 0, epochs }: Recipe['train'], { rows, unitTokens }: RunFacts): number {
  if (epochs !== undefined) return epochs;
  return rowsPerStep === undefined ? (steps * tokensPerStep) / sumOf(unitTokens) : (steps * rowsPerStep) / rows;
}

const countAbove = (values: readonly number[], limit = Number.POSITIVE_INFINITY) => values.filter((value) => value > limit).length;
const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
