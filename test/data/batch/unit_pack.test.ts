import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BatchColumns, PackedBatch } from '../../../lib/data/batch/batch.js';
import { columnsOf, type PackRules } from '../../../lib/data/batch/columns.js';
import { microBatches, packBatch, sharedMicroBatches } from '../../../lib/data/batch/pack.js';
import { packShared, type SharedBatch, sharedLength } from '../../../lib/data/batch/pack_shared.js';
import { type Cursor, StepPlan, type StepRules } from '../../../lib/data/order/plan.js';
import { sequencesHash } from '../../../lib/data/sequences/hash.js';
import { mismatchedRows } from '../../../lib/data/sequences/mismatched.js';
import { largestUnit, rankedPairs, unitStarts } from '../../../lib/data/sequences/units.js';
import type { Tokens, UnitKind } from '../../../lib/data/types.js';

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
    expect(columnsOf(pair, [0, 1, 0, 1])).toMatchObject({ group: Int32Array.of(0, 0, 1, 1), rank: Float64Array.of(1, 2, 1, 2) });
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
          expect((columnsOf(sequences, group).group.at(-1) ?? 0) === 0 || batch.tokens.length <= most).toBe(true);
          expect(sequences[group[0] ?? -1]?.member).toBe(0);
        }
        const plain = microBatches(sequences, all(sequences), largestUnit(sequences));
        for (const group of plain) expect(packBatch(sequences, group).tokens.length).toBeLessThanOrEqual(largestUnit(sequences));
      }),
    );
  });

  it('says which sequence is what, in every micro-batch as in the whole step', () => {
    fc.assert(
      fc.property(data, budget, fc.boolean(), (sequences, most, wholeChosen) => {
        const step = columnsOf(sequences, all(sequences), { wholeChosen });
        checkColumns(step, sequences, wholeChosen);
        let [first, groups] = [0, 0];
        for (const group of microBatches(sequences, all(sequences), most)) {
          const { trainedTokens, targets } = packBatch(sequences, group, { wholeChosen });
          const columns = columnsOf(sequences, group, { wholeChosen });
          expect(trainedTokens).toBe(targets.filter((id) => id >= 0).length);
          expect(columns.sequenceStarts.at(-1)).toBe(trainedTokens);
          const here = (column: ArrayLike<number> = []) => Array.from(column).slice(first, first + group.length);
          expect(Array.from(columns.group, (one) => one + groups)).toEqual(here(step.group));
          for (const name of ['rank', 'label', 'margin', 'promptTokens'] as const)
            if (columns[name] !== undefined) expect([...columns[name]]).toEqual(here(step[name]));
          first += group.length;
          groups += 1 + (columns.group.at(-1) ?? 0);
        }
      }),
    );
  });

  it('leaves out what plain rows do not have', () => {
    const rows = [{ ids: Int32Array.of(1, 2), trained: Uint8Array.of(0, 1) }];
    expect(columnsOf(rows, [0, 0])).toEqual({ sequenceStarts: Int32Array.of(0, 1, 2), group: Int32Array.of(0, 1) });
    expect(packShared(rows, [0, 0])).toMatchObject({ sequenceStarts: Int32Array.of(0, 2, 4) });
    expect(packShared([], [])).toMatchObject({ sequenceStarts: Int32Array.of(0), tokens: new Int32Array(0), trainedTokens: 0 });
  });
});

function checkColumns(columns: BatchColumns, sequences: Tokens[], wholeChosen: boolean): void {
  const { group, rank, label, margin, promptTokens, sequenceStarts } = columns;
  const compares = sequences.some(({ unit: u }) => u?.kind === 'pair' || u?.kind === 'ranking');
  expect([rank !== undefined, margin !== undefined]).toEqual([compares, compares]);
  expect(label !== undefined).toBe(sequences.some(({ unit: u }) => u?.kind === 'thumb'));
  for (const [n, { unit: u, member = 0, trainedTokens, promptLength = 0 }] of sequences.entries()) {
    expect(group[n]).toBe(u?.number);
    if (rank !== undefined) expect([rank[n], margin?.[n]]).toEqual([1 + (u?.ranks[member] ?? 0), member === 0 ? u?.margin : 0]);
    if (label !== undefined) expect(label[n]).toBe(Number(u?.label ?? false));
    const isWhole = wholeChosen && member === 0 && (u?.kind === 'pair' || u?.kind === 'ranking');
    if (promptTokens !== undefined) expect(promptTokens[n]).toBe(isWhole ? promptLength - 1 : 0);
    expect((sequenceStarts[n + 1] ?? 0) - (sequenceStarts[n] ?? 0)).toBe(trainedTokens + (isWhole ? promptLength - 1 : 0));
  }
}

describe('a shared beginning', () => {
  it('is stored once, and every token sees what it sees in the plain form', () => {
    fc.assert(
      fc.property(data, fc.boolean(), (sequences, wholeChosen) => {
        const rules: PackRules = { wholeChosen };
        const [plain, shared] = [packBatch(sequences, all(sequences), rules), packShared(sequences, all(sequences), rules)];
        expect([...shared.targetIds]).toEqual([...plain.targets].filter((target) => target >= 0));
        expect(shared.trainedTokens).toBe(plain.trainedTokens);
        const plainRows = [...plain.targets.keys()].filter((i) => (plain.targets[i] ?? -1) >= 0);
        for (const [t, row] of shared.targetRows.entries()) expect(seen(shared, row)).toEqual(seenPlain(plain, plainRows[t] ?? -1));
        for (const [n, row] of shared.scoreAt.entries()) expect(seen(shared, row)).toEqual(seenPlain(plain, plain.scoreAt[n] ?? -1));
        for (const i of shared.tokens.keys()) expect(shared.positions[i]).toBe(seen(shared, i).length - 1);
        const saved = [...unitStarts(sequences).subarray(0, -1)].reduce((sum, start, u, starts) => {
          const members = sequences.slice(start, starts[u + 1]);
          return sum + (members.length - 1) * sharedLength(members);
        }, 0);
        expect(shared.tokens.length).toBe(plain.tokens.length - saved);
      }),
    );
  });

  it('is the prompt, and its last token predicts the first of every answer', () => {
    const pair = unitOf({ kind: 'pair', prompt: [5, 6, 7], answers: [[1, 2], [3]], ranks: [0, 1], tail: 0 }, 0);
    expect(packShared(pair, [0, 1])).toMatchObject({
      tokens: Int32Array.of(5, 6, 7, 1, 2, 3),
      positions: Int32Array.of(0, 1, 2, 3, 4, 3),
      sequenceStarts: Int32Array.of(0, 6),
      targetRows: Int32Array.of(2, 3, 2),
      targetIds: Int32Array.of(1, 2, 3),
      scoreAt: Int32Array.of(4, 5),
    });
    const whole = packShared(pair, [0, 1], { wholeChosen: true });
    expect(whole).toMatchObject({ targetRows: Int32Array.of(0, 1, 2, 3, 2), targetIds: Int32Array.of(6, 7, 1, 2, 3) });
    expect(columnsOf(pair, [0, 1], { wholeChosen: true }).promptTokens).toEqual(Int32Array.of(2, 0));
  });

  it('is none where sequences begin differently: each lies by itself and hides nothing', () => {
    const members = unitOf(
      {
        kind: 'pair',
        prompt: [],
        answers: [
          [1, 5],
          [2, 6, 7],
        ],
        ranks: [0, 1],
        tail: 0,
      },
      0,
    );
    const packed = packShared(members, [0, 1]);
    expect([...packed.sequenceStarts]).toEqual([0, 2, 5]);
    expect([...packed.hiddenFrom]).toEqual([...packed.hiddenTo]);
    expect([...packed.hiddenFrom]).toEqual([0, 0, 2, 2, 2]);
    expect([...packed.sequenceOf]).toEqual([0, 0, 1, 1, 1]);
  });

  it('of groups of sampled answers is stored once, too', () => {
    const samples = unitOf({ kind: 'prompt', prompt: [5, 6, 7], answers: [[1], [1, 2], [3]], ranks: [0], tail: 0 }, 0);
    const columns = columnsOf(samples, [0, 1, 2]);
    expect([[...packShared(samples, [0, 1, 2]).tokens], [...columns.group]]).toEqual([
      [5, 6, 7, 1, 1, 2, 3],
      [0, 0, 0],
    ]);
    expect(columns).not.toHaveProperty('rank');
  });
});

/** Ids that the token at `row` sees, itself included: its stretch up to it, but for what is hidden from it. */
function seen({ tokens, sequenceStarts, hiddenFrom, hiddenTo }: SharedBatch, row: number): number[] {
  const [from, to] = [hiddenFrom[row] ?? 0, hiddenTo[row] ?? 0];
  const start = sequenceStarts[sequenceStarts.findLastIndex((one) => one <= row)] ?? 0;
  return Array.from(tokens.subarray(start, row + 1)).filter((_, n) => start + n < from || start + n >= to);
}

const seenPlain = ({ tokens, sequenceStarts }: PackedBatch, row: number) => [
  ...tokens.subarray(
    sequenceStarts.findLast((start) => start <= row),
    row + 1,
  ),
];

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
    // A row never meets its own answer: of a step that has it twice, or nothing else.
    expect(ids([1])).toEqual([]);
    expect(ids([1, 1])).toEqual([]);
    expect(ids([0, 1, 1])).toEqual([
      [1, 2, 20, 21],
      [3, 10],
      [3, 10],
    ]);
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
