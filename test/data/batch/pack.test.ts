import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { microBatches, packBatch } from '../../../lib/data/batch/pack.js';
import { epochLength, epochOrder } from '../../../lib/data/order/order.js';
import { type Cursor, StepPlan, type StepRules } from '../../../lib/data/order/plan.js';
import { Random } from '../../../lib/data/order/random.js';
import { sequencesHash } from '../../../lib/data/sequences/hash.js';

/** Sequences of any lengths, 0 among them, from up to three sources, some with nothing trained; ids are unique. */
const sequence = fc.record({
  length: fc.integer({ min: 0, max: 20 }),
  source: fc.nat(2),
  flags: fc.array(fc.nat(1), { minLength: 20, maxLength: 20 }),
});
const arbitrary = fc.array(sequence, { minLength: 1, maxLength: 30 }).map((all) => {
  let next = 0;
  return all.map(({ length, source, flags }) => {
    const trained = Uint8Array.from(flags.slice(0, length), (flag, i) => (i === 0 ? 0 : flag));
    const ids = Int32Array.from({ length }, () => next++);
    return { ids, trained, trainedTokens: trained.filter(Boolean).length, source };
  });
});
type Sequences = typeof arbitrary extends fc.Arbitrary<infer T> ? T : never;

const even = [{ weight: 1 }, { weight: 1 }, { weight: 1 }];
const rules = fc.record({ shuffle: fc.boolean(), seed: fc.nat(1e9), size: fc.integer({ min: 1, max: 25 }), byRows: fc.boolean() }).map(
  ({ size, byRows, ...rest }): StepRules => ({
    ...rest,
    ...(byRows ? { rowsPerStep: size } : { tokensPerStep: size }),
  }),
);
const trainable = (sequences: Sequences) => sequences.flatMap(({ trainedTokens }, n) => (trainedTokens > 0 ? [n] : []));

function steps(sequences: Sequences, rule: StepRules, cursor?: Cursor, most = 1000): number[][] {
  const plan = new StepPlan({ sequences, sources: even }, rule, cursor);
  const found: number[][] = [];
  for (let step = plan.next(); step !== undefined && found.length < most; step = plan.next()) found.push([...step]);
  return found;
}

describe('steps', () => {
  it('take every trainable sequence once an epoch, within the budget', () => {
    fc.assert(
      fc.property(arbitrary, rules, fc.integer({ min: 1, max: 3 }), (sequences, rule, epochs) => {
        const all = steps(sequences, { ...rule, epochs });
        const usable = trainable(sequences);
        const perEpoch = Array.from({ length: epochs }, (_, e) => all.flat().slice(e * usable.length, (e + 1) * usable.length));
        for (const epoch of perEpoch) expect([...epoch].sort((a, b) => a - b)).toEqual(usable);
        expect(all.flat()).toHaveLength(epochs * usable.length);
        for (const step of all) {
          const tokens = step.reduce((sum, row) => sum + (sequences[row]?.ids.length ?? 0), 0);
          if (rule.rowsPerStep !== undefined) expect(step.length).toBeLessThanOrEqual(rule.rowsPerStep);
          else expect(step.length === 1 || tokens <= (rule.tokensPerStep ?? 0)).toBe(true);
        }
        expect(new StepPlan({ sequences, sources: even }, { ...rule, epochs }).count()).toBe(all.length);
      }),
    );
  });

  it('go in file order without shuffling, over as many epochs as they need', () => {
    const sequences = Array.from({ length: 5 }, (_, n) => ({
      ids: new Int32Array(4),
      trained: new Uint8Array(4),
      trainedTokens: n === 3 ? 0 : 2,
      source: 0,
    }));
    const rule = { rowsPerStep: 3, steps: 4, shuffle: false, seed: 1 };
    expect(steps(sequences, rule)).toEqual([
      [0, 1, 2],
      [4, 0, 1],
      [2, 4, 0],
      [1, 2, 4],
    ]);
    expect(steps(sequences, { tokensPerStep: 9, epochs: 1, shuffle: false, seed: 1 })).toEqual([
      [0, 1],
      [2, 4],
    ]);
    expect(steps(sequences, { tokensPerStep: 3, epochs: 1, shuffle: false, seed: 1 })).toEqual([[0], [1], [2], [4]]);
    expect(steps(sequences, { rowsPerStep: 3, epochs: 1.5, shuffle: false, seed: 1 })).toEqual([
      [0, 1, 2],
      [4, 0, 1],
    ]);
    expect(steps([], { rowsPerStep: 3, steps: 4, shuffle: true, seed: 1 })).toEqual([]);
    expect(new StepPlan({ sequences: [], sources: even }, rule).count()).toBe(0);
  });

  it('are the same for the same seed, and go on from any cursor as if nothing had happened', () => {
    fc.assert(
      fc.property(arbitrary, rules, fc.integer({ min: 0, max: 12 }), (sequences, rule, stop) => {
        const run = { ...rule, steps: 12 };
        const whole = steps(sequences, run);
        expect(steps(sequences, run)).toEqual(whole);
        const plan = new StepPlan({ sequences, sources: even }, run);
        plan.count();
        for (let n = 0; n < stop; n++) plan.next();
        const saved = JSON.parse(JSON.stringify(plan.cursor)) as Cursor;
        expect(steps(sequences, run, saved)).toEqual(whole.slice(stop));
      }),
    );
  });

  it('come in another order in every epoch and for every seed', () => {
    const order = (seed: number, epoch: number) =>
      [...epochOrder({ sources: [Array.from({ length: 50 }, (_, n) => n)], weights: [1], shuffle: true, seed }, epoch)].join();
    expect(new Set([order(1, 0), order(1, 1), order(2, 0), order(2, 1), order(0, 1)]).size).toBe(5);
  });

  it('pass over a source as often as its weight says', () => {
    const sources = [[0, 1, 2, 3], [4, 5], [6]];
    const rule = { sources, weights: [0.5, 2.5, 1], shuffle: false, seed: 3 };
    expect(epochLength(rule)).toBe(2 + 5 + 1);
    const halves = new Set<string>();
    for (let epoch = 0; epoch < 20; epoch++) {
      const order = [...epochOrder(rule, epoch)];
      const half = order.slice(0, 2);
      expect(half).toEqual([...new Set(half)].sort((a, b) => a - b));
      expect(half.every((row) => row < 4)).toBe(true);
      expect(order.slice(2, 6)).toEqual([4, 5, 4, 5]);
      expect(order[7]).toBe(6);
      halves.add(half.join());
    }
    expect(halves.size).toBeGreaterThan(3);
  });
});

describe('packing', () => {
  it('loses nothing: every sequence stands once, whole, with its own positions and targets', () => {
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 60 }), (sequences, budget) => {
        const rows = sequences.map((_, n) => n).reverse();
        const groups = microBatches(sequences, rows, budget);
        expect(groups.flatMap((group) => [...group])).toEqual(rows);
        const batches = groups.map((group) => ({ group, ...packBatch(sequences, group) }));
        expect(batches.flatMap(({ tokens }) => [...tokens])).toEqual(rows.flatMap((row) => [...(sequences[row]?.ids ?? [])]));
        for (const batch of batches) {
          expect(batch.group.length === 1 || batch.tokens.length <= budget).toBe(true);
          checkBatch(
            batch,
            Array.from(batch.group, (row) => sequences[row] as Sequences[number]),
          );
        }
        const trained = sequences.reduce((sum, one) => sum + one.trainedTokens, 0);
        expect(batches.reduce((sum, batch) => sum + batch.trainedTokens, 0)).toBe(trained);
      }),
    );
  });

  it('works on nothing and on one token', () => {
    expect(microBatches([], [], 10)).toEqual([]);
    expect(packBatch([], [])).toMatchObject({ trainedTokens: 0, sequenceStarts: Int32Array.of(0) });
    const one = [{ ids: Int32Array.of(7), trained: Uint8Array.of(1) }];
    expect(packBatch(one, [0])).toMatchObject({ tokens: Int32Array.of(7), targets: Int32Array.of(-1), trainedTokens: 0 });
  });
});

function checkBatch(batch: ReturnType<typeof packBatch>, members: Sequences): void {
  let at = 0;
  for (const [n, { ids, trained }] of members.entries()) {
    expect(batch.sequenceStarts[n]).toBe(at);
    for (let place = 0; place < ids.length; place++) {
      expect(batch.positions[at + place]).toBe(place);
      expect(batch.targets[at + place]).toBe(trained[place + 1] === 1 ? ids[place + 1] : -1);
    }
    at += ids.length;
  }
  expect(batch.sequenceStarts[members.length]).toBe(at);
}

describe('hashes', () => {
  it('change with any id, flag, border or source', () => {
    const base = [
      { ids: Int32Array.of(1, 2), trained: Uint8Array.of(0, 1), source: 0 },
      { ids: Int32Array.of(3), trained: Uint8Array.of(0), source: 0 },
    ];
    const [first, second] = base as [(typeof base)[0], (typeof base)[0]];
    const others = [
      [second, first],
      [first],
      [{ ...first, ids: Int32Array.of(1, 4) }, second],
      [{ ...first, trained: Uint8Array.of(0, 0) }, second],
      [first, { ...second, source: 1 }],
      [{ ...first, ids: Int32Array.of(1, 2, 3), trained: Uint8Array.of(0, 1, 0) }],
    ];
    expect(new Set([base, ...others].map(sequencesHash)).size).toBe(7);
    expect(sequencesHash([...base])).toBe(sequencesHash(base));
  });
});

describe('random numbers', () => {
  it('are fixed for good, and go on from a saved state', () => {
    const random = new Random(1, 2);
    const first = Array.from({ length: 4 }, () => random.next());
    expect(first).toMatchInlineSnapshot(`
      [
        3977731255,
        3016988127,
        1075517688,
        1216723280,
      ]
    `);
    const { state } = random;
    const next = Array.from({ length: 5 }, () => random.below(1000));
    random.state = JSON.parse(JSON.stringify(state));
    expect(Array.from({ length: 5 }, () => random.below(1000))).toEqual(next);
  });

  it('follow xoshiro128** as published', () => {
    const random = new Random(0);
    random.state = [1, 2, 3, 4];
    // The first values from the state 1, 2, 3, 4, by the authors' C code.
    expect(Array.from({ length: 4 }, () => random.next())).toEqual([11520, 0, 5927040, 70819200]);
  });

  it('are even', () => {
    const random = new Random(5);
    const counts = new Array(10).fill(0);
    for (let n = 0; n < 20_000; n++) counts[random.below(10)]++;
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(5 * Math.sqrt(2000));
    const first = new Array(6).fill(0);
    for (let n = 0; n < 6000; n++) first[new Random(n).shuffle([0, 1, 2, 3, 4, 5])[0] as number]++;
    for (const count of first) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
  });
});
