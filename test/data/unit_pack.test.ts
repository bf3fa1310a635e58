import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BatchUnits } from '../../lib/data/batch_units.js';
import { sequencesHash } from '../../lib/data/hash.js';
import type { PackRules } from '../../lib/data/lay_out.js';
import { mismatchedRows } from '../../lib/data/mismatched.js';
import { microBatches, packBatch, sharedMicroBatches } from '../../lib/data/pack.js';
import { packShared } from '../../lib/data/pack_shared.js';
import { type Cursor, StepPlan, type StepRules } from '../../lib/data/plan.js';
import { stepSums } from '../../lib/data/step_sums.js';
import type { Tokens } from '../../lib/data/types.js';
import { largestUnit, rankedPairs, type UnitKind, unitStarts } from '../../lib/data/units.js';

interface Plan {
  kind: UnitKind;
  prompt: number[];
  answers: number[][];
  ranks: number[];
  tail: number;
}

/** Sequences of one unit: prompt, answer, and tokens behind the answer that are not trained. Few ids, so that answers begin alike by chance. */
function unitOf({ kind, prompt, answers, ranks, tail }: Plan, number: number): Tokens[] {
  const places = [...new Set([...ranks].sort((a, b) => a - b))];
  const sorted = ranks.map((rank) => places.indexOf(rank)).sort((a, b) => a - b);
  const rows = kind === 'ranking' ? rankedPairs(sorted).length : 1;
  const unit = {
    kind,
    number,
    rows,
    ranks: sorted,
    margin: number / 4,
    columns: {},
    ...(kind === 'thumb' ? { label: number % 2 === 0 } : {}),
  };
  return answers.map((answer, member) => {
    const ids = Int32Array.from([...prompt, ...answer, ...Array(tail).fill(9)]);
    const trained = Uint8Array.from(ids, (_, i) => Number(i > 0 && i >= prompt.length && i < prompt.length + answer.length));
    const trainedTokens = trained.filter(Boolean).length;
    return { ids, trained, trainedTokens, promptLength: prompt.length, unit, member, source: 0, share: 0, file: 'f', line: number + 1 };
  });
}

const ids = (minLength: number, maxLength: number) => fc.array(fc.nat(3), { minLength, maxLength });
const unit = fc
  .record({
    kind: fc.constantFrom<UnitKind>('pair', 'ranking', 'thumb', 'prompt'),
    prompt: ids(1, 7),
    answers: fc.array(ids(1, 5), { minLength: 4, maxLength: 4 }),
    ranks: fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
    tail: fc.nat(1),
  })
  .map(({ kind, prompt, answers, ranks, tail }): Plan => {
    if (kind === 'pair') return { kind, prompt, answers: answers.slice(0, 2), ranks: [0, 1], tail };
    if (kind === 'ranking') return { kind, prompt, answers, ranks: ranks.every((rank) => rank === ranks[0]) ? [0, 1, 2, 3] : ranks, tail };
    return { kind, prompt, answers: kind === 'prompt' ? [[]] : answers.slice(0, 1), ranks: [0], tail: 0 };
  });
const data = fc.array(unit, { minLength: 1, maxLength: 12 }).map((plans) => plans.flatMap(unitOf));
const all = (sequences: readonly unknown[]) => sequences.map((_, n) => n);
const numbers = (sequences: readonly Tokens[], rows: ArrayLike<number>) => Array.from(rows, (row) => sequences[row]?.unit?.number);

describe('steps of units', () => {
  const rules = fc
    .record({ shuffle: fc.boolean(), seed: fc.nat(1e9), size: fc.integer({ min: 1, max: 25 }), byRows: fc.boolean() })
    .map(({ size, byRows, ...rest }): StepRules => ({ ...rest, ...(byRows ? { rowsPerStep: size } : { tokensPerStep: size }) }));
  const sources = [{ weight: 1 }];
  function steps(sequences: Tokens[], rule: StepRules, cursor?: Cursor): number[][] {
    const plan = new StepPlan({ sequences, sources }, rule, cursor);
    const found: number[][] = [];
    for (let step = plan.next(); step !== undefined; step = plan.next()) found.push([...step]);
    return found;
  }

  it('take every unit whole, once an epoch, and count pairs, thumbs and prompts', () => {
    fc.assert(
      fc.property(data, rules, (sequences, rule) => {
        const found = steps(sequences, { ...rule, epochs: 1 });
        expect(found.flat().sort((a, b) => a - b)).toEqual(all(sequences));
        for (const step of found) {
          const heads = step.filter((row) => sequences[row]?.member === 0);
          for (const row of step) expect(step.filter((other) => sequences[other]?.unit === sequences[row]?.unit)).toContain(row);
          const whole = new Set(numbers(sequences, step));
          expect(step).toHaveLength(sequences.filter((one) => whole.has(one.unit?.number)).length);
          const counted = heads.reduce((sum, row) => sum + (sequences[row]?.unit?.rows ?? 0), 0);
          const tokens = step.reduce((sum, row) => sum + (sequences[row]?.ids.length ?? 0), 0);
          const size = rule.rowsPerStep === undefined ? tokens : counted;
          expect(heads.length === 1 || size <= (rule.rowsPerStep ?? rule.tokensPerStep ?? 0)).toBe(true);
        }
      }),
    );
  });

  it('go on from any cursor', () => {
    fc.assert(
      fc.property(data, rules, fc.nat(6), (sequences, rule, stop) => {
        const run = { ...rule, steps: 8 };
        const plan = new StepPlan({ sequences, sources }, run);
        for (let n = 0; n < stop; n++) plan.next();
        const saved = JSON.parse(JSON.stringify(plan.cursor)) as Cursor;
        expect(steps(sequences, run, saved)).toEqual(steps(sequences, run).slice(stop));
      }),
    );
  });

  it('tell a unit from itself where it comes twice', () => {
    const pair = unitOf({ kind: 'pair', prompt: [1], answers: [[2], [3]], ranks: [0, 1], tail: 0 }, 0);
    const twice = [...pair, ...pair];
    expect([...unitStarts(twice)]).toEqual([0, 2, 4]);
    expect(packBatch(pair, [0, 1, 0, 1]).units?.pairs).toMatchObject({ chosen: Int32Array.of(0, 2), rejected: Int32Array.of(1, 3) });
    expect(microBatches(pair, [0, 1, 0, 1], 5)).toEqual([Int32Array.of(0, 1), Int32Array.of(0, 1)]);
  });
});

describe('packing of units', () => {
  const budget = fc.integer({ min: 1, max: 60 });

  it('keeps units whole in micro-batches, within the budget', () => {
    fc.assert(
      fc.property(data, budget, fc.constantFrom('plain', 'shared'), (sequences, most, form) => {
        const groups = (form === 'plain' ? microBatches : sharedMicroBatches)(sequences, all(sequences), most);
        expect(groups.flatMap((group) => [...group])).toEqual(all(sequences));
        for (const group of groups) {
          const batch = form === 'plain' ? packBatch(sequences, group) : packShared(sequences, group);
          expect(batch.units?.numbers.length === 1 || batch.tokens.length <= most).toBe(true);
          expect(sequences[group[0] ?? -1]?.member).toBe(0);
        }
        const plain = microBatches(sequences, all(sequences), largestUnit(sequences));
        for (const group of plain) expect(packBatch(sequences, group).tokens.length).toBeLessThanOrEqual(largestUnit(sequences));
      }),
    );
  });

  it('says which sequence is what, in every micro-batch as in the whole step', () => {
    fc.assert(
      fc.property(data, budget, (sequences, most) => {
        const sums = { pairs: 0, trainedTokens: 0, units: 0, up: 0, down: 0, chosen: 0 };
        for (const group of microBatches(sequences, all(sequences), most)) {
          const { units, trainedTokens } = packBatch(sequences, group);
          if (units === undefined) throw new Error('no units');
          checkUnits(units, sequences, group);
          sums.pairs += units.pairs.chosen.length;
          sums.trainedTokens += trainedTokens;
          sums.units += units.numbers.length;
          sums.up += units.labels.filter((label) => label === 1).length;
          sums.down += units.labels.filter((label) => label === 0).length;
          for (const n of new Set(units.pairs.chosen)) sums.chosen += (units.logprobStarts[n + 1] ?? 0) - (units.logprobStarts[n] ?? 0);
        }
        const { pairs, trainedTokens, units, thumbsUp: up, thumbsDown: down, chosenTokens: chosen } = stepSums(sequences, all(sequences));
        expect(sums).toEqual({ pairs, trainedTokens, units, up, down, chosen });
      }),
    );
  });

  it('leaves batches of plain rows as they are', () => {
    const rows = [{ ids: Int32Array.of(1, 2), trained: Uint8Array.of(0, 1) }];
    expect(packBatch(rows, [0])).not.toHaveProperty('units');
    expect(packShared(rows, [0])).toMatchObject({ parentOf: Int32Array.of(-1), stretchOf: Int32Array.of(0) });
    expect(packShared([], [])).toMatchObject({ parentOf: new Int32Array(0), tokens: new Int32Array(0) });
  });
});

function checkUnits(units: BatchUnits, sequences: Tokens[], group: Int32Array): void {
  const own = Array.from(group, (row) => sequences[row] as Tokens);
  expect(Array.from(units.unitOf, (u) => units.numbers[u])).toEqual(numbers(sequences, group));
  expect([...units.labels]).toEqual(own.map(({ unit: u }) => (u?.label === undefined ? -1 : Number(u.label))));
  expect([...units.ranks]).toEqual(own.map(({ unit: u, member = 0 }) => u?.ranks[member]));
  expect(Array.from(own, (_, n) => (units.logprobStarts[n + 1] ?? 0) - (units.logprobStarts[n] ?? 0))).toEqual(
    own.map(({ trainedTokens }) => trainedTokens),
  );
  for (const [p, chosen] of units.pairs.chosen.entries()) {
    const [better, worse] = [own[chosen] as Tokens, own[units.pairs.rejected[p] ?? -1] as Tokens];
    expect(better.unit).toBe(worse.unit);
    expect(better.unit?.ranks[better.member ?? 0]).toBeLessThan(worse.unit?.ranks[worse.member ?? 0] ?? -1);
    expect([units.pairs.margins[p], units.numbers[units.pairs.unitOf[p] ?? -1]]).toEqual([better.unit?.margin, better.unit?.number]);
  }
}

describe('a shared beginning', () => {
  const wholeChosen = fc.boolean();

  it('is stored once, and every token sees what it sees in the plain form', () => {
    fc.assert(
      fc.property(data, wholeChosen, (sequences, whole) => {
        const rules: PackRules = { wholeChosen: whole };
        const [plain, shared] = [packBatch(sequences, all(sequences), rules), packShared(sequences, all(sequences), rules)];
        expect(targetsInOrder(shared)).toEqual(targetsInOrder(plain));
        expect(shared.units).toEqual({ ...plain.units, scoreAt: shared.units?.scoreAt });
        const { trainedTokens, chosenTokens, wholeChosenTokens } = stepSums(sequences, all(sequences));
        expect(plain.trainedTokens).toBe(trainedTokens + (whole ? wholeChosenTokens - chosenTokens : 0));
        expect(plain.units?.isAnswer.filter(Boolean).length).toBe(trainedTokens);
        for (const [n, stretch] of shared.stretchOf.entries()) {
          const { tokens, positions } = chain(shared, stretch);
          expect(tokens).toEqual([...(sequences[n]?.ids ?? [])]);
          expect(positions).toEqual(tokens.map((_, i) => i));
          expect(shared.rowOf[stretch]).toBe(n);
          const [at, plainAt] = [shared.units?.scoreAt[n] ?? -1, plain.units?.scoreAt[n] ?? -1];
          expect(shared.sequenceOf[at]).toBe(stretch);
          expect([shared.tokens[at], shared.positions[at]]).toEqual([plain.tokens[plainAt], plain.positions[plainAt]]);
        }
      }),
    );
  });

  it('is the prompt but for the token that predicts the answers', () => {
    const pair = unitOf({ kind: 'pair', prompt: [5, 6, 7, 8], answers: [[1, 2], [3]], ranks: [0, 1], tail: 0 }, 0);
    const batch = packShared(pair, [0, 1]);
    expect(batch).toMatchObject({
      tokens: Int32Array.of(5, 6, 7, 8, 1, 2, 8, 3),
      positions: Int32Array.of(0, 1, 2, 3, 4, 5, 3, 4),
      sequenceStarts: Int32Array.of(0, 3, 6, 8),
      targets: Int32Array.of(-1, -1, -1, 1, 2, -1, 3, -1),
      parentOf: Int32Array.of(-1, 0, 0),
      stretchOf: Int32Array.of(1, 2),
      rowOf: Int32Array.of(-1, 0, 1),
      trainedTokens: 3,
    });
    expect(packShared(pair, [0, 1], { wholeChosen: true }).targets).toEqual(Int32Array.of(6, 7, 8, 1, 2, -1, 3, -1));
  });

  it('of groups of sampled answers is stored once, too', () => {
    const samples = unitOf({ kind: 'prompt', prompt: [5, 6, 7], answers: [[1], [1, 2], [3]], ranks: [0], tail: 0 }, 0);
    expect(packShared(samples, [0, 1, 2])).toMatchObject({
      tokens: Int32Array.of(5, 6, 7, 1, 7, 1, 2, 7, 3),
      parentOf: Int32Array.of(-1, 0, 0, 0),
    });
  });
});

const targetsInOrder = ({ targets }: { targets: Int32Array }) => [...targets].filter((target) => target >= 0);

/** Tokens and positions of a stretch behind its parent. */
function chain(batch: ReturnType<typeof packShared>, stretch: number): { tokens: number[]; positions: number[] } {
  const parent = batch.parentOf[stretch] ?? -1;
  const before = parent < 0 ? { tokens: [], positions: [] } : chain(batch, parent);
  const [start, end] = [batch.sequenceStarts[stretch], batch.sequenceStarts[stretch + 1]];
  return {
    tokens: [...before.tokens, ...batch.tokens.subarray(start, end)],
    positions: [...before.positions, ...batch.positions.subarray(start, end)],
  };
}

describe('mismatched rows', () => {
  it('have the answer of the row before, the first that of the last', () => {
    const thumb = (prompt: number[], answer: number[], n: number) =>
      unitOf({ kind: 'thumb', prompt, answers: [answer], ranks: [0], tail: 1 }, n);
    const step = [thumb([1, 2], [10], 0), thumb([3], [20, 21], 1), thumb([4, 5, 6], [30, 31, 32], 2)].flat();
    const ids = (rows: number[], most = 100) => mismatchedRows(step, rows, most).map((one) => [...one.ids]);
    expect(ids([0, 1, 2])).toEqual([
      [1, 2, 30, 31, 32],
      [3, 10],
      [4, 5, 6, 20, 21],
    ]);
    expect(ids([2, 0])).toEqual([
      [4, 5, 6, 10],
      [1, 2, 30, 31, 32],
    ]);
    expect(ids([0, 2], 4)).toEqual([
      [1, 2, 30, 31],
      [4, 5, 6, 10],
    ]);
    expect(ids([1])).toEqual([[3, 20, 21]]);
    const [first] = mismatchedRows(step, [0, 1, 2], 100);
    expect([[...(first?.trained ?? [])], first?.trainedTokens]).toEqual([[0, 0, 1, 1, 1], 3]);
    expect(packBatch(mismatchedRows(step, [0, 1, 2], 100), [0, 1, 2]).trainedTokens).toBe(6);
  });
});

it('the hash of sequences knows labels, margins and what belongs together', () => {
  const [one, other] = unitOf({ kind: 'pair', prompt: [1], answers: [[2], [3]], ranks: [0, 1], tail: 0 }, 0) as [Tokens, Tokens];
  const changed = (change: object) => [one, { ...other, unit: { ...one.unit!, ...change } }];
  const hashes = [{}, { margin: 1 }, { label: true }, { label: false }, { ranks: [0, 0] }].map((change) => sequencesHash(changed(change)));
  const { unit: _unit, ...bare } = other;
  expect(new Set([...hashes, sequencesHash([one, bare])]).size).toBe(6);
});
