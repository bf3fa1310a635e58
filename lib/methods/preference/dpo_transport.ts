/**
 * What `aot` compares across a step: the k-th smallest figure of one side with the k-th smallest of the other (Melnyk et al. 2024, "Distributional
 * preference alignment of LLMs via optimal transport"). The matching depends on all pairs of the step and is held fixed while gradients are taken,
 * so that each pair can be differentiated by itself.
 */

/** For each entry of `own`, the entry of `other` that has the same place in rising order. */
export function matchedByOrder(own: Float64Array, other: Float64Array): Float64Array {
  const matched = new Float64Array(own.length);
  const [places, values] = [rising(own), Float64Array.from(other).sort()];
  for (let k = 0; k < places.length; k++) matched[places[k]!] = values[k]!;
  return matched;
}

const rising = (values: Float64Array) => Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b);
