import { describe, expect, it } from 'vitest';
import { embedding, embeddingBackward, kernelVariants } from '../../lib/kernels/index.js';
import { addressSpace, addressSpacePeak } from '../support/address_space.js';
import { compare, numbers, random, roundBf16 } from './harness.js';

const SHAPES = [
  { N: 0, V: 5, columns: 7 },
  { N: 1, V: 1, columns: 1 },
  { N: 31, V: 33, columns: 32 },
  { N: 33, V: 100, columns: 33 },
  { N: 70, V: 40, columns: 576 },
];
function data({ N, V, columns }: (typeof SHAPES)[number], dtype: 'f32' | 'bf16') {
  const next = random(N);
  const stored = (values: Float32Array) => (dtype === 'bf16' ? roundBf16(values) : values);
  const ids = Int32Array.from({ length: N }, () => Math.floor(next() * V));
  return { ids, vocabulary: V, columns, dtype, weight: stored(numbers(V * columns, 1)), dx: stored(numbers(N * columns, 2)) };
}

describe.each(kernelVariants('embedding'))('embedding %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    it.each(SHAPES)('gathers rows as they are and adds up their gradients: $N of $V x $columns', (shape) => {
      const { weight, dx, ...args } = data(shape, dtype);
      const { x } = embedding({ ...args, weight }, { variant });
      const row = (id: number, values: Float32Array) => values.subarray(id * shape.columns, (id + 1) * shape.columns);
      expect(x).toEqual(Float32Array.from([...args.ids].flatMap((id) => [...row(id, weight)])));
      expect(embedding({ ...args, weight }, { variant, threads: 2 }).x).toEqual(x);

      const expected = new Float64Array(weight.length);
      for (const [m, id] of args.ids.entries()) for (const [k, g] of row(m, dx).entries()) expected[id * shape.columns + k]! += g;
      const got = embeddingBackward({ ...args, dx }, { variant });
      compare(got.dweight, expected, 1e-6, 'dweight');
      expect(embeddingBackward({ ...args, dx }, { variant, threads: 2 })).toEqual(got);
    });
    it('shows a NaN in its row and column alone', () => {
      const { weight, dx, ...args } = data({ N: 3, V: 4, columns: 5 }, dtype);
      args.ids.set([2, 0, 2]);
      dx[2 * 5 + 1] = Number.NaN;
      const { dweight } = embeddingBackward({ ...args, dx }, { variant });
      expect(Array.from(dweight, Number.isNaN)).toEqual(Array.from(dweight, (_, i) => i === 2 * 5 + 1));
      weight[2 * 5 + 4] = Number.NaN;
      const { x } = embedding({ ...args, weight }, { variant });
      expect(Array.from(x, Number.isNaN)).toEqual(Array.from(x, (_, i) => i === 4 || i === 14));
    });
  });
});

// The kernel works in rows of 32 columns, 2 GiB for this vocabulary; it is given the rows alone that an id names.
it.runIf(process.platform === 'linux')('takes no memory for rows that no id names', () => {
  const vocabulary = 1 << 24;
  const [before, peak] = [addressSpace(), addressSpacePeak()];
  const ids = Int32Array.of(vocabulary - 1, 7, 7);
  const { dweight } = embeddingBackward({ vocabulary, columns: 1, ids, dx: Float32Array.of(1, 2, 3) });
  expect(addressSpacePeak()).toBeLessThan(Math.max(peak, before + dweight.byteLength) + 2 ** 29);
  expect([dweight.length, dweight[0], dweight[7], dweight[vocabulary - 1]]).toEqual([vocabulary, 0, 5, 1]);
});

it('names the argument of a wrong length or range', () => {
  const args = { vocabulary: 3, columns: 2, ids: Int32Array.of(0, 3) };
  expect(() => embedding({ ...args, weight: new Float32Array(5) })).toThrow('[embedding] weight: expected a Float32Array of 6, got');
  expect(() => embedding({ ...args, weight: new Float32Array(6) })).toThrow('[embedding] ids[1]: expected 0 to 2, got 3');
  expect(() => embeddingBackward({ ...args, ids: Int32Array.of(0), dx: new Float32Array(4) })).toThrow(
    '[embedding_backward] dx: expected a Float32Array of 2, got Float32Array of 4',
  );
});
