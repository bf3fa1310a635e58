/** The warning where a recipe leaves more of its rows out than anyone would want without knowing. */

import type { Warning } from '../types.js';
import type { Counts } from './dataset.js';

/** Share of the rows from which on a reason to drop is worth a warning. */
const MANY = 0.05;

/** What to change, by the reason. */
const ADVICE: Readonly<Record<string, string>> = {
  nothing_trained: 'they have no answer, or it lies beyond train.maxLength: raise train.maxLength, or take overlong: split',
  overlong: 'they are longer than train.maxLength: raise it, or take overlong: truncate or split',
  equal_when_cut: 'their answers differ beyond train.maxLength alone: raise it',
  no_stop: 'no answer of theirs ends in a trained end token: look at them with attune preview, or take checks.noStop: keep',
  double_bos: 'they begin with two begin tokens: take the one in the template or the text out',
  equal_answers: 'two of their answers are equal: look at how they were made',
  ties: 'all their answers share one rank: give ranks that differ',
  refused_chat: 'the chat template refuses them: put their roles in its order, or take another template',
};

/** One warning for each reason that leaves out more than 5 % of the rows. */
export function manyDropped({ in: rows, dropped }: Counts): Warning[] {
  const many = Object.entries(dropped).filter(([, count]) => count > MANY * rows);
  return many.map(([reason, count]) => {
    const share = `${count} of ${rows} rows (${((100 * count) / rows).toFixed(1)} %) are left out, ${reason.replaceAll('_', ' ')}`;
    return { code: 'many_dropped', message: `${share}: ${ADVICE[reason] ?? 'look at them with attune preview'}` };
  });
}
