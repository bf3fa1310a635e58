// The rule of arithmetic: any split of a step into micro-batches and any order of its rows gives the same loss, gradient and figures.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupStarts } from '../../lib/methods/columns.js';
import { type Columns, part } from '../../lib/methods/index.js';
import { type RandomStep, randomStep, VARIANTS } from './random_step.js';
import { optionsOf, runStep } from './step.js';

/** The sequences of the given groups, in that order. */
function sequencesOf({ group }: Columns, groups: readonly number[]): number[] {
  const starts = groupStarts(group);
  return groups.flatMap((g) => Array.from({ length: starts[g + 1]! - starts[g]! }, (_, n) => starts[g]! + n));
}

type Found = ReturnType<typeof runStep>;

/** Sums in another order differ by rounding: double sums, single-precision gradients. */
function expectSame(got: Found, wanted: Found) {
  const near = (a: number, b: number, bound: number, what: string) => {
    if (Number.isNaN(a) && Number.isNaN(b)) return;
    expect(Math.abs(a - b), `${what}: ${a} and ${b}`).toBeLessThanOrEqual(bound * Math.max(1, Math.abs(b)));
  };
  near(got.loss, wanted.loss, 1e-9, 'loss');
  expect(Object.keys(got.metrics).sort()).toEqual(Object.keys(wanted.metrics).sort());
  for (const [name, value] of Object.entries(wanted.metrics)) near(got.metrics[name]!, value, 1e-9, name);
  for (const [output, rows] of Object.entries(wanted.gradient))
    rows.forEach((row, s) => {
      row.forEach((value, t) => {
        near(got.gradient[output]![s]![t]!, value, 2 ** -22, `${output} of token ${t} of sequence ${s}`);
      });
    });
}

/** The step with its sequences in another order. */
function moved(step: RandomStep, order: readonly number[]): RandomStep {
  const all = { ...step.columns, sequenceStarts: step.columns.sequenceStarts };
  const pick = (outputs: RandomStep['outputs']) =>
    Object.fromEntries(
      Object.entries(outputs).map(([name, values]) => {
        const column = name === 'score' ? 'reward' : 'teacher'; // any column of a sequence, of a token
        return [name, part({ sequenceStarts: all.sequenceStarts, group: all.group, [column]: values }, order)[column]!];
      }),
    ) as RandomStep['outputs'];
  return { ...step, columns: part(all, order), outputs: pick(step.outputs), ahead: pick(step.ahead!) };
}

describe.each(VARIANTS.map(([name, options]) => [`${name} ${JSON.stringify(options)}`, name, options] as const))(
  '%s',
  (_title, name, given) => {
    const options = optionsOf(name, given);
    const steps = fc.tuple(randomStep(name, given), fc.array(fc.nat(5), { maxLength: 4 }), fc.infiniteStream(fc.nat(1000)));

    it('gives the same however a step is split', () => {
      fc.assert(
        fc.property(steps, ([step, cuts]) => {
          const groups = groupStarts(step.columns.group).length - 1;
          const borders = [0, ...cuts.map((cut) => Math.min(cut, groups)).sort((a, b) => a - b), groups];
          const split = borders.slice(1).map((end, n) =>
            sequencesOf(
              step.columns,
              Array.from({ length: end - borders[n]! }, (_, g) => borders[n]! + g),
            ),
          );
          expectSame(runStep(name, options, step, split), runStep(name, options, step));
        }),
        { numRuns: 15 },
      );
    });

    it('gives the same in any order of rows', () => {
      fc.assert(
        fc.property(steps, ([step, , keys]) => {
          const groups = Array.from({ length: groupStarts(step.columns.group).length - 1 }, (_, g) => ({
            g,
            key: keys.next().value as number,
          }));
          const order = sequencesOf(
            step.columns,
            groups.sort((a, b) => a.key - b.key).map(({ g }) => g),
          );
          const found = runStep(name, options, moved(step, order));
          const back = Object.fromEntries(
            Object.entries(found.gradient).map(([output, rows]) => [output, order.map((_, s) => rows[order.indexOf(s)]!)]),
          );
          expectSame({ ...found, gradient: back }, runStep(name, options, step));
        }),
        { numRuns: 15 },
      );
    });
  },
);
