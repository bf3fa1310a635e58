// Answers as they are read: where stop texts cut them, and the forms in which they are trained on and judged.
import { expect, it } from 'vitest';
import type { NativeModel, RolloutAnswer } from '../../../lib/native.js';
import { answerSequence, judgedSequence } from '../../../lib/training/rollout/answer_sequences.js';
import { sampleAnswers } from '../../../lib/training/rollout/answers.js';

const END = 0;
/** One letter an id: 97 is a. */
const tokenizer = {
  ends: [END],
  stream: () => ({ push: (id: number) => String.fromCharCode(id), end: () => '' }),
} as unknown as Parameters<typeof sampleAnswers>[1];

/** A model that says these texts, `\0` for the end token, so many tokens at a time. */
function speaker(texts: readonly string[]): { native: NativeModel; made: () => number } {
  const answers = texts.map((text, n) => ({
    prompt: n,
    whole: Array.from(text, (c) => c.charCodeAt(0)),
    ids: [] as number[],
    stop: 'running',
  }));
  let made = 0;
  const startRollout = () => ({
    length: answers.length,
    advance: async (tokens: number) => {
      for (const answer of answers.filter(({ stop }) => stop === 'running')) {
        const before = answer.ids.length;
        answer.ids = answer.whole.slice(0, before + tokens);
        made += answer.ids.length - before;
        if (answer.ids.length === answer.whole.length) answer.stop = answer.ids.at(-1) === END ? 'eos' : 'length';
      }
      return answers.some(({ stop }) => stop === 'running');
    },
    answer: (n: number) => ({ ...answers[n], ids: Int32Array.from(answers[n]?.ids ?? []) }) as unknown as RolloutAnswer,
    cancel: (n: number, keep: number) => {
      Object.assign(answers[n] as object, { ids: answers[n]?.ids.slice(0, keep), stop: 'cancelled' });
    },
    dispose: () => {},
  });
  return { native: { startRollout } as unknown as NativeModel, made: () => made };
}

const sample = (texts: readonly string[], stop: readonly string[]) => {
  const { native, made } = speaker(texts);
  const rules = { samplesPerPrompt: 1, maxNewTokens: 40, temperature: 1, stop };
  return sampleAnswers(
    native,
    tokenizer,
    texts.map(() => Int32Array.of(1)),
    rules,
    1,
  ).then((answers) => ({ answers, made: made() }));
};
const said = (answers: Awaited<ReturnType<typeof sample>>['answers']) =>
  answers.map(({ text, ids, stopped }) => [text, ids.length, stopped]);

it('takes answers as they end by themselves or by length', async () => {
  const { answers } = await sample(['abc\0', 'abcdefghijklmnop'], []);
  expect(said(answers)).toEqual([
    ['abc', 4, true],
    ['abcdefghijklmnop', 16, false],
  ]);
});

it('ends an answer with the token that completes a stop text, wherever the looks for it fall', async () => {
  const texts = ['abcSTOPdef', 'abcdeSTOPxy', 'STOP', 'abcdefghijSTO\0', 'abSTabSTOP\0', 'x||ySTOP'];
  const { answers } = await sample(texts, ['STOP', '||']);
  expect(said(answers)).toEqual([
    ['abc', 7, true],
    ['abcde', 9, true],
    ['', 4, true],
    ['abcdefghijSTO', 14, true],
    ['abSTab', 10, true],
    ['x', 3, true],
  ]);
});

it('does not wait for the end of an answer that has stopped', async () => {
  expect((await sample([`ab.${'c'.repeat(1000)}`], ['.'])).made).toBeLessThan(20);
});

it('trains all of an answer, and has it judged at one end token', () => {
  const prompt = { ids: Int32Array.of(5, 6), file: 'f', line: 3 };
  const ids = Int32Array.of(7, 8, END);
  expect(answerSequence(prompt, { ids })).toEqual({
    ids: Int32Array.of(5, 6, 7, 8, END),
    trained: Uint8Array.of(0, 0, 1, 1, 1),
    trainedTokens: 3,
    file: 'f',
    line: 3,
  });
  const words = { ends: [END, 9], eos: END };
  for (const [answer, whole] of [
    [
      [7, END],
      [5, 7, END],
    ],
    [
      [7, 9],
      [5, 7, END],
    ],
    [
      [7, 8],
      [5, 7, 8, END],
    ],
  ] as const)
    expect([...judgedSequence(Int32Array.of(5), { ids: Int32Array.from(answer) }, words)]).toEqual([...whole]);
});
