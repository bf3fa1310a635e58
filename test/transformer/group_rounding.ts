/**
 * A prompt's last token is read by the first token of every answer: the gradients that meet there are summed in fp32 and rounded once. The bf16
 * model is held against the fp32 model, whose error (2^-24 a rounding) is nothing beside bf16's (2^-9).
 */
import { expect, it } from 'vitest';
import type { ForwardBatch } from '../../lib/native.js';
import { relativeError } from '../kernels/harness.js';
import { family, gradientsOf, load } from './fixtures.js';

const GROUPS = [1, 2, 3, 8, 16, 33, 64];
const PROMPT = [5, 9, 31, 7, 12, 20, 3, 8, 40, 11];

/** `group` targets at the last position, of weight 1 / group each. */
function batchOf(group: number, id: (n: number) => number): ForwardBatch {
  return {
    tokens: Int32Array.from(PROMPT),
    sequenceStarts: Int32Array.of(0, PROMPT.length),
    targets: new Int32Array(PROMPT.length).fill(-1),
    targetRows: new Int32Array(group).fill(PROMPT.length - 1),
    targetIds: Int32Array.from({ length: group }, (_, n) => id(n)),
  };
}

/** Error of the gradients of the last layer for each size of group. */
async function errors(id: (n: number) => number): Promise<number[]> {
  const { network } = family('llama');
  const models = [await load('llama', network, { train: 'all' }), await load('llama', network, { train: 'all', dtype: 'bf16' })];
  const name = `model.layers.${network.layers - 1}.mlp.down_proj.weight`;
  const all: number[] = [];
  for (const group of GROUPS) {
    const gradients: Float32Array[] = [];
    for (const model of models) {
      await model.zeroGradients();
      await model.forward(batchOf(group, id), { keep: true });
      await model.backward({ logprob: new Float32Array(group).fill(1 / group) });
      gradients.push((await gradientsOf(model)).get(name)!);
    }
    all.push(relativeError(gradients[1]!, gradients[0]!));
  }
  for (const model of models) model.dispose();
  return all;
}

/** Tests of the instruction set that the process is held to. */
export function roundsOnceForAGroup(): void {
  it.each<[string, (n: number) => number, number]>([
    // The same number 2, 8, 16 or 64 times is exact in fp32: one answer's error; 1/3 and 1/33 round their terms, by 2^-9 of the whole at most.
    // Rounded after each add, 33 answers were 1.16 times and 64 answers 2 times as far off as one.
    ['the same first token', () => 17, 1.1],
    // Another answer is another gradient with errors of its own, 0.9 to 1.4 times one's in no order of size.
    ['first tokens of their own', (n) => 3 + ((n * 7) % 37), 1.5],
  ])('does not grow with the number of answers: %s', async (_name, id, bound) => {
    const [one, ...more] = await errors(id);
    for (const [n, error] of more.entries()) expect(error, `${GROUPS[n + 1]} answers, one: ${one}`).toBeLessThan(bound * one!);
  });
}
