import { expect, it } from 'vitest';
import { dropout } from '../../lib/kernels/index.js';
import { numbers } from './harness.js';

const keys = (from: number, n: number) => Int32Array.from({ length: n }, (_, i) => from + i);

it.each([0, 1, 31, 33, 100])('drops about p of %i columns and keeps the mean', (columns) => {
  if (columns === 0)
    return expect(() => dropout({ x: new Float32Array(0), columns, p: 0.1, rowKeys: keys(0, 0), key: 1 })).toThrow('columns');
  const M = 400;
  const { y } = dropout({ x: new Float32Array(M * columns).fill(1), columns, p: 0.25, rowKeys: keys(0, M), key: 7 });
  const dropped = y.filter((v) => v === 0).length / y.length;
  const deviation = Math.sqrt((0.25 * 0.75) / y.length);
  expect(Math.abs(dropped - 0.25)).toBeLessThan(5 * deviation);
  for (const v of y) expect(v === 0 || Math.abs(v - 4 / 3) < 1e-4).toBe(true);
});

it('gives a row the same mask in any batch, with any number of threads, and another for another key', () => {
  const columns = 50;
  const x = numbers(70 * columns, 3);
  const whole = dropout({ x, columns, p: 0.5, rowKeys: keys(0, 70), key: 1 }, { threads: 2 }).y;
  const tail = dropout({ x: x.slice(40 * columns), columns, p: 0.5, rowKeys: keys(40, 30), key: 1 }).y;
  expect(tail).toEqual(whole.slice(40 * columns));
  expect(dropout({ x, columns, p: 0.5, rowKeys: keys(0, 70), key: 2 }).y).not.toEqual(whole);
});

it('passes everything at p = 0, and a NaN through', () => {
  const x = Float32Array.of(1, Number.NaN, 3);
  expect(dropout({ x, columns: 3, p: 0, rowKeys: keys(0, 1), key: 1 }).y).toEqual(x);
});

it('names p outside its range', () => {
  expect(() => dropout({ x: new Float32Array(2), columns: 2, p: 1, rowKeys: keys(0, 1), key: 1 })).toThrow(
    '[dropout] p: expected 0 <= p < 1',
  );
});
