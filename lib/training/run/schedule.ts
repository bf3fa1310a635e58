/** Learning rate of every step. */

export interface Schedule {
  schedule: 'linear' | 'cosine' | 'constant' | 'wsd';
  /** Share of the steps below 1, a number of steps from 1 on. */
  warmup: number;
  /** Share of the steps in which wsd goes down. */
  decay: number;
  learningRate: number;
}

/** Steps of warm-up. */
export const warmupSteps = (warmup: number, steps: number) => (warmup < 1 ? Math.round(warmup * steps) : warmup);

/** Steps of wsd before it goes down. */
export const flatSteps = (decay: number, steps: number) => steps - Math.max(1, Math.round(decay * steps));

/**
 * The rate of step `step` (from 1) of `steps`. It rises evenly over the w steps of warm-up and is highest at step w + 1, with w = 0 at step 1;
 * no step is lost to a rate of zero.
 *
 *   warm-up  s / (w + 1)                     linear  1 - p         p = (s - 1 - w) / (steps - w), from 0 to below 1
 *   wsd      1, then 1 - √(k / (d + 1))      cosine  (1 + cos πp) / 2
 *
 * wsd goes down in the last d steps (k = 1 … d), by the root as in Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed
 * training durations", where it ends lower than a straight line.
 */
export function learningRate(step: number, steps: number, { schedule, warmup, decay, learningRate: highest }: Schedule): number {
  const w = warmupSteps(warmup, steps);
  if (step <= w) return (highest * step) / (w + 1);
  const p = (step - 1 - w) / Math.max(1, steps - w);
  switch (schedule) {
    case 'constant':
      return highest;
    case 'linear':
      return highest * (1 - p);
    case 'cosine':
      return highest * 0.5 * (1 + Math.cos(Math.PI * p));
    case 'wsd': {
      const flat = flatSteps(decay, steps);
      const [d, k] = [steps - flat, step - flat];
      return k <= 0 ? highest : highest * (1 - Math.sqrt(k / (d + 1)));
    }
  }
}
