/** Prompts and answers as sequences: in the form that is trained on, and as reward models read them. */
import type { Tokens } from '../../data/index.js';
import type { PassSequence } from '../../model/batches.js';
import type { Tokenizer } from '../../tokenizer/index.js';
import type { StepSequence } from '../step/update.js';
import type { Answer } from './answers.js';

/** Prompt and answer as one sequence: the answer is trained. A step's answers are trained on in this form. */
export function answerSequence(
  { ids: prompt, file, line }: Pick<Tokens, 'ids' | 'file' | 'line'>,
  { ids }: Pick<Answer, 'ids'>,
): StepSequence {
  const whole = new Int32Array(prompt.length + ids.length);
  whole.set(prompt);
  whole.set(ids, prompt.length);
  return { ids: whole, trained: new Uint8Array(whole.length).fill(1, prompt.length), trainedTokens: ids.length, file, line };
}

/** Prompt and answer as a reward model reads them: with one end token at the end, at which it scores. */
export function judgedSequence(
  prompt: Int32Array,
  { ids }: Pick<Answer, 'ids'>,
  { ends, eos }: Pick<Tokenizer, 'ends' | 'eos'>,
): Int32Array {
  return Int32Array.from([...prompt, ...withoutEnd(ids, ends), eos]);
}

/** An answer's ids but for the token that ended it. */
export function withoutEnd(ids: Int32Array, ends: readonly number[]): Int32Array {
  const last = ids.at(-1);
  return last !== undefined && ends.includes(last) ? ids.subarray(0, -1) : ids;
}

/**
 * A step's answers. Those to one prompt are a unit, whose prompt is computed once, or several where they are more than `most` tokens: a unit is never
 * cut. `most` 0: each answer is by itself.
 */
export const answerSequences = (prompts: readonly Tokens[], answers: readonly Answer[], most: number): StepSequence[] =>
  inUnits(prompts, answers, most, answerSequence);

/** The same as reward models read them. */
export function judgedSequences(
  prompts: readonly Tokens[],
  answers: readonly Answer[],
  tokenizer: Pick<Tokenizer, 'ends' | 'eos'>,
  most: number,
): PassSequence[] {
  return inUnits(prompts, answers, most, (prompt, answer) => {
    const ids = judgedSequence(prompt.ids, answer, tokenizer);
    return { ids, trained: new Uint8Array(ids.length), trainedTokens: 0 };
  });
}

function inUnits<Sequence extends PassSequence>(
  prompts: readonly Tokens[],
  answers: readonly Answer[],
  most: number,
  sequenceOf: (prompt: Tokens, answer: Answer) => Sequence,
): Sequence[] {
  let [unit, member, tokens]: [Tokens['unit'], number, number] = [undefined, 0, 0];
  return answers.map((answer, n) => {
    const prompt = prompts[answer.prompt] as Tokens;
    const sequence = sequenceOf(prompt, answer);
    const own = sequence.ids.length - prompt.ids.length;
    const goesOn = answers[n - 1]?.prompt === answer.prompt && tokens + own <= most;
    [unit, member, tokens] = goesOn ? [unit, member + 1, tokens] : [prompt.unit && { ...prompt.unit }, 0, prompt.ids.length];
    tokens += own;
    return { ...sequence, ...(unit && { unit, member }) };
  });
}
