/** The table of a network's tensors: entries as a family's file writes them. */
import type { NetworkTensor, Place } from '../native.js';

/** A tensor that must be there, and why it has its shape, for messages. */
export interface ExpectedTensor {
  name: string;
  shape: number[];
  /** What in config.json the shape comes from. */
  because: string;
}

/** A linear layer of a network, as a checkpoint names it. */
export interface LinearLayer {
  /** `model.layers.0.self_attn.q_proj` */
  name: string;
  inputs: number;
  outputs: number;
  bias: boolean;
  because: string;
}

interface Where {
  layer?: number;
  because: string;
}

/** A table of rows: an embedding, a vocabulary. */
export const matrix = (name: string, place: Place, rows: number, columns: number, { layer, because }: Where): NetworkTensor => ({
  name: `${name}.weight`,
  places: [place],
  ...(layer === undefined ? {} : { layer }),
  shape: [rows, columns],
  because,
});

/** A norm: its weight and, of a LayerNorm, its bias. */
export const norm = (name: string, place: Place, size: number, { layer, because }: Where, bias = false): NetworkTensor[] =>
  (bias ? ['weight', 'bias'] : ['weight']).map((part) => ({
    name: `${name}.${part}`,
    places: [place],
    ...(layer === undefined ? {} : { layer }),
    ...(part === 'bias' ? { bias: true } : {}),
    shape: [size],
    because,
  }));

/** A linear layer: its weight (outputs, inputs) and, where it has one, its bias. */
export function linear(
  name: string,
  place: Place,
  outputs: number,
  inputs: number,
  bias: boolean,
  { layer, because }: Where,
): NetworkTensor[] {
  const where = layer === undefined ? {} : { layer };
  const weight = { name: `${name}.weight`, places: [place], ...where, shape: [outputs, inputs], because };
  if (!bias) return [weight];
  return [
    weight,
    {
      name: `${name}.bias`,
      places: [place],
      ...where,
      bias: true,
      shape: [outputs],
      because: `${because}, biases as config.json has them`,
    },
  ];
}
