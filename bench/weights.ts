// A checkpoint of random numbers, made on the spot: speed depends on shapes, and on numbers being no zeros.
import { closeSync, openSync, writeSync } from 'node:fs';
import type { AdapterTarget, NetworkConfig, StoredTensor } from '../lib/native.js';
import { linears, tensorShapes } from './shapes.js';

/** xorshift32, a number in -1 .. 1 a call: 135 million numbers in a second or two. */
function uniform(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2147483648;
  };
}

/** bf16 bits by cutting: which way a random number is rounded is all the same. */
function bf16(count: number, scale: number, next: () => number): Uint8Array {
  const one = new Float32Array(1);
  const bits = new Uint32Array(one.buffer);
  const out = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    one[0] = next() * scale;
    out[i] = bits[0]! >>> 16;
  }
  return new Uint8Array(out.buffer);
}

/** Writes all tensors of a network to `path`, raw bf16, one after the other. Deviations are those of a fresh LLaMA: 0.02, norms 1. */
export function writeWeights(path: string, network: NetworkConfig): StoredTensor[] {
  const file = openSync(path, 'w');
  const next = uniform(12345);
  let offset = 0;
  try {
    return tensorShapes(network).map(([name, shape]) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const norm = shape.length === 1;
      // A norm is a constant 1: 0x3f80. Others are uniform with deviation 0.02.
      const bytes = norm ? new Uint8Array(new Uint16Array(count).fill(0x3f80).buffer) : bf16(count, 0.02 * Math.sqrt(3), next);
      writeSync(file, bytes);
      const stored: StoredTensor = { name, path, offset, stored: 'bf16', shape };
      offset += bytes.length;
      return stored;
    });
  } finally {
    closeSync(file);
  }
}

/** A fresh adapter on all linears, as PEFT makes it: A uniform within 1 / sqrt(inputs), B zero. */
export function freshAdapter(network: NetworkConfig, rank: number): AdapterTarget[] {
  const next = uniform(777);
  return linears(network).map(({ name, inputs, outputs }) => ({
    name,
    rank,
    a: Float32Array.from({ length: rank * inputs }, () => next() / Math.sqrt(inputs)),
    b: new Float32Array(outputs * rank),
  }));
}
