/** Means and deviations over many figures, in double precision. */
import type { Numbers } from './columns.js';

export function sumOf(values: Numbers): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** 0 of nothing. */
export const meanOf = (values: Numbers) => sumOf(values) / Math.max(1, values.length);

/** Unbiased (divisor n - 1); 0 of fewer than two. */
export function varianceOf(values: Numbers): number {
  const mean = meanOf(values);
  let sum = 0;
  for (const value of values) sum += (value - mean) ** 2;
  return sum / Math.max(1, values.length - 1);
}

/** Keeps the division finite where all figures are equal; TRL's and OpenAI's number. */
const LEAST_VARIANCE = 1e-8;

/** Deviation 1 (unbiased), and mean 0 or, with `keepMean`, the mean as it was. */
export function whitened(values: Numbers, keepMean = false): Float64Array {
  const mean = meanOf(values);
  const scale = 1 / Math.sqrt(varianceOf(values) + LEAST_VARIANCE);
  return Float64Array.from(values, (value) => (value - mean) * scale + (keepMean ? mean : 0));
}
