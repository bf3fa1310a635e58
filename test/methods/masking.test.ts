// Which tokens mlm hides and in which order plm lays a text: properties of the plans, and what a query may see against the paper's definition.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../lib/data/order/random.js';
import { masked, permuted } from '../../lib/methods/index.js';

const [MASK, VOCABULARY] = [4, 1000];
const special = new Set([0, 1, 2]);
const text = fc.array(fc.integer({ min: 0, max: VOCABULARY - 1 }), { maxLength: 60 }).map((ids) => Int32Array.from(ids));
const rules = fc.record({ maskShare: fc.constantFrom(0.01, 0.15, 0.5, 0.99), span: fc.integer({ min: 1, max: 6 }) });
const countOf = (may: number, share: number) => Math.min(may, Math.max(1, Math.round(share * may)));

describe('mlm', () => {
  const plan = (ids: Int32Array, how: { maskShare: number; span: number }, seed: number) =>
    masked(ids, { ...how, mask: MASK, vocabulary: VOCABULARY, special }, new Random(seed));

  it('predicts the asked share of the tokens that may be hidden, and leaves all others as they are', () => {
    fc.assert(
      fc.property(text, rules, fc.nat(), (ids, how, seed) => {
        const found = plan(ids, how, seed);
        const predicted = [...found.targets.keys()].filter((i) => found.targets[i] !== -1);
        expect(predicted).toHaveLength(countOf(ids.filter((id) => !special.has(id)).length, how.maskShare));
        const kept = (i: number) => found.targets[i] === -1 && found.ids[i] === ids[i];
        const hidden = (i: number) => found.targets[i] === ids[i] && !special.has(ids[i]!);
        expect([...ids.keys()].filter((i) => !kept(i) && !hidden(i))).toEqual([]);
        expect(plan(ids, how, seed)).toEqual(found);
      }),
    );
  });

  it('hides 80 of 100, swaps 10 and leaves 10', () => {
    const ids = new Int32Array(40000).fill(7);
    const found = plan(ids, { maskShare: 0.5, span: 1 }, 3);
    const share = (test: (id: number) => boolean) => found.ids.filter((id, i) => found.targets[i] !== -1 && test(id)).length / 20000;
    const bound = (p: number) => 5 * Math.sqrt((p * (1 - p)) / 20000); // five standard errors
    expect(Math.abs(share((id) => id === MASK) - 0.8001)).toBeLessThan(bound(0.8)); // one in 1000 of the swapped is the mask, too
    expect(Math.abs(share((id) => id === 7) - 0.1001)).toBeLessThan(bound(0.1));
  });

  it('draws other tokens with another seed', () => {
    const ids = Int32Array.from({ length: 50 }, (_, i) => i + 10);
    expect(plan(ids, { maskShare: 0.2, span: 1 }, 1).targets).not.toEqual(plan(ids, { maskShare: 0.2, span: 1 }, 2).targets);
  });

  it('hides neighbours together in spans', () => {
    const ids = new Int32Array(2000).fill(7);
    const runs = (span: number) =>
      plan(ids, { maskShare: 0.15, span }, 5).targets.filter((id, i, all) => id !== -1 && (i === 0 || all[i - 1] === -1)).length;
    expect(runs(6)).toBeLessThan(runs(1) / 2);
  });
});

describe('plm', () => {
  const plan = (ids: Int32Array, how: { maskShare: number; span: number }, seed: number) =>
    permuted(ids, { ...how, mask: MASK }, new Random(seed));

  /** Tokens that token j sees, by attention that is causal along the sequence. */
  const seenBy = ({ hiddenFrom, hiddenTo }: ReturnType<typeof permuted>, j: number) =>
    Array.from({ length: j + 1 }, (_, i) => i).filter((i) => i < hiddenFrom[j]! || i >= hiddenTo[j]!);
  const queriesOf = ({ targets }: ReturnType<typeof permuted>) => [...targets.keys()].filter((j) => targets[j] !== -1);

  it('shows each query just the tokens before it in the order, and itself, as the two streams of the paper do', () => {
    fc.assert(
      fc.property(text, rules, fc.nat(), (ids, how, seed) => {
        const found = plan(ids, how, seed);
        const { positions, targets, ids: laid } = found;
        const queries = queriesOf(found);
        const order = [...positions.subarray(0, positions.length - queries.length)]; // contents, in factorisation order
        for (const j of order.keys()) expect(seenBy(found, j)).toHaveLength(j + 1);
        if (queries.length > 0) order.push(positions[queries.at(-1)!]!); // the last content is left out: nothing comes after it
        expect([...order].sort((a, b) => a - b)).toEqual([...ids.keys()]);
        for (const j of queries) {
          const seen = seenBy(found, j);
          expect(seen.pop()).toBe(j);
          expect(seen.map((i) => positions[i]!)).toEqual(order.slice(0, order.indexOf(positions[j]!)));
          expect([laid[j], targets[j]]).toEqual([MASK, ids[positions[j]!]]);
        }
      }),
    );
  });

  it('predicts the asked share, never the first token, and keeps contents with their places', () => {
    fc.assert(
      fc.property(text, rules, fc.nat(), (ids, how, seed) => {
        const found = plan(ids, how, seed);
        const predicted = queriesOf(found).length;
        expect(predicted).toBe(countOf(Math.max(0, ids.length - 1), how.maskShare));
        expect(found.ids).toHaveLength(ids.length + Math.max(0, predicted - 1));
        if (ids.length > 0) expect([found.positions[0], found.targets[0]]).toEqual([0, -1]);
        const wrong = (j: number) => found.targets[j] === -1 && found.ids[j] !== ids[found.positions[j]!];
        expect([...found.ids.keys()].filter(wrong)).toEqual([]);
        expect(plan(ids, how, seed)).toEqual(found);
      }),
    );
  });
});
