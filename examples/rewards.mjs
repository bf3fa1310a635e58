// Reward functions of the examples. Each takes the answers of a step and gives one number an answer; larger is better.
// `completion` is the answer, `prompt` the text that it answers, `row` the row of the prompt with all its columns.

/** Between 5 and 25 words, ended by a full stop, nothing said twice: from 0 to 1. */
export const concise = (rows) => rows.map(({ completion }) => (fitting(completion) + ended(completion) + 2 * fresh(completion)) / 4);

/** 1 for an answer that gives a figure, else 0. */
export const figure = (rows) => rows.map(({ completion }) => (/\d/.test(completion) ? 1 : 0));

const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function fitting(text) {
  const count = wordsOf(text).length;
  if (count >= 5 && count <= 25) return 1;
  return count < 5 ? count / 5 : Math.max(0, 2 - count / 25);
}

const ended = (text) => (/[.!?]["’”)]?\s*$/u.test(text) ? 1 : 0);

/** Share of the words that were not said before. */
function fresh(text) {
  const words = wordsOf(text);
  return words.length === 0 ? 0 : new Set(words).size / words.length;
}
