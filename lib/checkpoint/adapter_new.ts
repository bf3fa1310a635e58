/** A new LoRA adapter with PEFT's first values. */
import type { NetworkConfig } from '../native.js';
import { type Adapter, chosenLayers, moduleNames } from './adapter.js';

export interface NewAdapterOptions {
  rank: number;
  alpha: number;
  targets: 'all-linear' | readonly string[];
  dropout: number;
  rsLora: boolean;
  seed: number;
}

/** A new adapter as PEFT starts one: A uniform in ±1/√inputs (Kaiming with a = √5), B zero. Values depend on seed, layer and place alone. */
export function newAdapter(options: NewAdapterOptions, config: NetworkConfig): Adapter {
  const { rank, alpha, rsLora, dropout, seed } = options;
  const layers = chosenLayers(options.targets, config);
  const targets = layers.map(({ name, inputs, outputs }) => {
    const draw = uniform(seed, name);
    const bound = 1 / Math.sqrt(inputs);
    const a = Float32Array.from({ length: rank * inputs }, () => (2 * draw() - 1) * bound);
    return { name, rank, a, b: new Float32Array(outputs * rank) };
  });
  return { rank, alpha, rsLora, dropout, selection: { targetModules: moduleNames(layers, config) }, targets };
}

/** Deviation of a new head's numbers: transformers' `initializer_range`. */
const HEAD_DEVIATION = 0.02;

/** A new scalar head of `hidden` numbers, normal around 0, as transformers starts one. Its values depend on the seed alone. */
export function newHead(hidden: number, seed: number): Float32Array {
  const draw = uniform(seed, 'score');
  // Box and Muller 1958; 1 - draw() is never 0.
  return Float32Array.from({ length: hidden }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - draw()));
    return HEAD_DEVIATION * radius * Math.cos(2 * Math.PI * draw());
  });
}

/** Uniform numbers in [0, 1) with 32 bits, from a seed and a name. xoshiro128** (Blackman, Vigna 2018), seeded by FNV-1a and splitmix32. */
function uniform(seed: number, name: string): () => number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${seed}:${name}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const next = () => {
    hash = (hash + 0x9e3779b9) >>> 0;
    let z = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const rotate = (x: number, k: number) => ((x << k) | (x >>> (32 - k))) >>> 0;
  let [a, b, c, d] = [next(), next(), next(), next()];
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result / 2 ** 32;
  };
}
