import { describe, expect, it } from 'vitest';
import { type Activation, activation, activationBackward, kernelVariants, swiglu, swigluBackward } from '../../lib/kernels/index.js';
import { compare, compareStored, type DType, numbers, roundBf16 } from './harness.js';

/** Φ(x) in double: the series of the error function near 0, the continued fraction of Mills' ratio far from it. */
function phi(x: number): number {
  const a = Math.abs(x);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let [sum, term] = [a, a];
  if (a < 4) {
    for (let k = 1; k < 80; k++) {
      term *= (a * a) / (2 * k + 1);
      sum += term;
    }
    return x < 0 ? 0.5 - density * sum : 0.5 + density * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / (a + fraction);
  const tail = density / (a + fraction);
  return x < 0 ? tail : 1 - tail;
}
const FUNCTIONS: Record<Activation, (x: number) => number> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => x * phi(x),
  gelu_tanh: (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};
/** Central differences of fourth order: good to 1e-11 here. */
const slope = (f: (x: number) => number, x: number) => (8 * (f(x + 1e-3) - f(x - 1e-3)) - (f(x + 2e-3) - f(x - 2e-3))) / 12e-3;
const stored = (dtype: DType, values: Float32Array) => (dtype === 'bf16' ? roundBf16(values) : values);
const ACTIVATIONS = ['silu', 'gelu', 'gelu_tanh'] as const;

describe.each(kernelVariants('swiglu'))('swiglu %s', (variant) => {
  describe.each(['f32', 'bf16'] as const)('%s', (dtype) => {
    // exp2<3>, the polynomial of values that become bf16, errs by 7.5e-5.
    const bound = dtype === 'f32' ? 1.5e-6 : 2e-4;
    const data = (M: number, columns: number) => {
      const [gate, up, dact] = [1, 2, 3].map((seed) => stored(dtype, numbers(M * columns, seed, 2)));
      return { gate: gate!, up: up!, dact: dact!, columns, dtype };
    };
    describe.each(ACTIVATIONS)('%s', (name) => {
      const f = FUNCTIONS[name];
      it.each([
        [0, 7],
        [1, 1],
        [3, 31],
        [33, 16],
        [32, 33],
        [65, 100],
      ])('agrees with double arithmetic: %i x %i', (M, columns) => {
        const { gate, up, dact, ...rest } = data(M, columns);
        const args = { gate, up, activation: name, ...rest };
        const act = Array.from(gate, (x, i) => f(x) * up[i]!);
        compareStored(dtype, swiglu(args, { variant }).act, act, bound, 'act', 0.1);
        const got = swigluBackward({ ...args, dact }, { variant });
        compareStored(dtype, got.act, act, bound, 'act of backward', 0.1);
        const dgate = Array.from(gate, (x, i) => dact[i]! * up[i]! * slope(f, x));
        compareStored(dtype, got.dgate, dgate, bound, 'dgate', 0.1);
        const dup = Array.from(gate, (x, i) => dact[i]! * f(x));
        compareStored(dtype, got.dup, dup, bound, 'dup', 0.1);
        expect(swiglu(args, { variant, threads: 2 }).act).toEqual(swiglu(args, { variant, threads: 1 }).act);
        expect(swigluBackward({ ...args, dact }, { variant, threads: 2 })).toEqual(got);
      });
      it('alone follows the function and its slope from -30 to 30, and beyond', () => {
        const x = stored(
          dtype,
          Float32Array.from({ length: 1201 }, (_, i) => (i - 600) / 20),
        );
        const dy = Float32Array.from(x, () => 1);
        const [y, dx] = [
          activation({ x, activation: name, dtype }, { variant }).y,
          activationBackward({ x, dy, activation: name, dtype }, { variant }).dx,
        ];
        compareStored(dtype, y, Array.from(x, f), bound / 10, 'y');
        compareStored(
          dtype,
          dx,
          Array.from(x, (v) => slope(f, v)),
          bound,
          'dx',
        );
        const far = stored(dtype, Float32Array.of(-1e30, -1e4, 1e4, 1e30, 0, Number.NaN));
        const args = { x: far, activation: name, dtype };
        const settled = (values: Float32Array) => Array.from(values, (v) => (Math.abs(v) < 1e-30 ? 0 : v));
        expect(settled(activation(args, { variant }).y)).toEqual([0, 0, far[2], far[3], 0, Number.NaN]);
        const slopes = activationBackward({ ...args, dy: Float32Array.from(far, () => 1) }, { variant }).dx;
        expect(settled(slopes).map((v) => Math.round(v * 1e6) / 1e6)).toEqual([0, 0, 1, 1, 0.5, Number.NaN]);
      });
    });
    it('shows a NaN in its place and nowhere else', () => {
      const args = data(2, 40);
      args.gate[41] = Number.NaN;
      args.dact[3] = Number.NaN;
      const { dgate, dup, act } = swigluBackward(args, { variant });
      for (const out of [dgate, dup]) expect(Array.from(out, Number.isNaN)).toEqual(Array.from(out, (_, i) => i === 41 || i === 3));
      expect(Array.from(act, Number.isNaN)).toEqual(Array.from(act, (_, i) => i === 41));
    });
  });
});

it('has a Φ of its own that is right', () => {
  compare(
    [phi(0), phi(1), phi(-1), phi(-3), phi(-6)],
    [0.5, 0.841344746068543, 0.158655253931457, 1.349898031630095e-3, 9.86587645037698e-10],
    1e-13,
  );
});
it('names the argument of a wrong length', () => {
  const four = new Float32Array(4);
  expect(() => swiglu({ gate: four, up: four, columns: 3 })).toThrow('[swiglu] gate: expected rows of 3, got Float32Array of 4');
  expect(() => swiglu({ gate: four, up: new Float32Array(3), columns: 2 })).toThrow('[swiglu] up: expected a Float32Array of 4, got');
  expect(() => activation({ x: four, columns: 4, activation: 'relu' as 'silu' })).toThrow(
    '[activation] activation: expected one of silu, gelu, gelu_tanh',
  );
});

// vreduceps alone rounds the fraction of an exponent down: f32 was off in one direction on AVX-512, where AVX2 rounds to nearest.
it.skipIf(!['avx2', 'avx512'].every((one) => (kernelVariants('swiglu') as string[]).includes(one)))(
  'gives the same bits of f32 on AVX-512 and AVX2',
  () => {
    const gate = numbers(20 * 64, 5, 2);
    const given = { gate, up: numbers(20 * 64, 6), columns: 64, dtype: 'f32' } as const;
    expect(swiglu(given, { variant: 'avx512' })).toEqual(swiglu(given, { variant: 'avx2' }));
  },
);
