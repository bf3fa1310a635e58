// Gradients against finite differences of the loss, figure by figure, with what is held fixed held fixed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Output } from '../../lib/methods/index.js';
import { stepCounts } from '../../lib/methods/index.js';
import type { LossOutput, SequenceInput } from '../../lib/methods/method.js';
import { randomStep, VARIANTS } from './random_step.js';
import { methodOf, optionsOf, prepareStep } from './step.js';

/** Step of a central difference: its own error is of the third derivative times h², and 2⁻⁵² of the loss over h. */
const H = 1e-5;

/** `cispo` holds a factor fixed that a difference of the loss moves; answers used once have their own log-probabilities as `old`, held fixed too. */
const differentiable = ({ old }: SequenceInput, name: string, { loss }: Record<string, unknown>) =>
  !(['grpo', 'rloo'].includes(name) && (loss === 'cispo' || old === undefined));

describe.each(VARIANTS.map(([name, options]) => [`${name} ${JSON.stringify(options)}`, name, options] as const))(
  '%s',
  (_title, name, given) => {
    const [method, options] = [methodOf(name), optionsOf(name, given)];

    it('has the gradient of its loss', () => {
      fc.assert(
        fc.property(randomStep(name, given), fc.nat(1000), (step, draw) => {
          const { columns } = prepareStep(name, options, step);
          const counts = stepCounts(columns);
          const input = { ...columns, ...step.outputs, counts, divisor: method.divisor(counts) } as SequenceInput;
          if (!differentiable(input, name, given)) return;
          const { gradient } = method.loss(input, options);
          for (const output of Object.keys(gradient) as (keyof LossOutput['gradient'])[]) expectSlope(input, output, draw);
        }),
        { numRuns: 25 },
      );
    });

    /** Loss of the step with other figures; the order that aot compares in moves with them, all else that was prepared stays. */
    function lossOf(input: SequenceInput): number {
      const again = name === 'dpo' ? method.prepare?.(input, options, {}).columns : {};
      return method.loss({ ...input, ...again }, options).lossSum / input.divisor;
    }

    /** One figure of `output`, chosen by `draw`. */
    function expectSlope(input: SequenceInput, output: Output | 'logprob', draw: number) {
      const values = Float64Array.from(input[output]!);
      if (values.length === 0) return;
      const at = draw % values.length;
      const value = (by: number) => {
        const other = values.slice();
        other[at]! += by;
        return lossOf({ ...input, [output]: other });
      };
      const [left, right] = [(value(0) - value(-H)) / H, (value(H) - value(0)) / H];
      const got = method.loss(input, options).gradient[output]![at]!;
      const scale = Math.max(1, Math.abs(left), Math.abs(right), Math.abs(value(0)));
      const kink = Math.abs(left - right); // hinge, clipping, a change of order: any slope between the two will do
      if (output === 'logprob' && ['reward', 'distill'].includes(name)) expect(got).toBe(0);
      else
        expect(Math.abs(got - (left + right) / 2), `${output}[${at}] ${got}, by differences ${(left + right) / 2}`).toBeLessThanOrEqual(
          1e-5 * scale + kink,
        );
    }
  },
);
