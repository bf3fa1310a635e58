/** Sampled answers as rows of a ranking: `{ prompt, answers: [{ text, rank }] }`, 1 the best. */
import type { Tokens } from '../../data/index.js';
import type { Answer } from '../rollout/answers.js';

/** A line of the file of answers. */
export interface SampledRow {
  /** Text or messages. */
  prompt: unknown;
  /** `rank` is null where a person is to say it. */
  answers: { text: string; rank: number | null; reward?: number }[];
}

/** What became of prompts and answers. */
export interface SampledCounts {
  prompts: number;
  rows: number;
  answers: number;
  /** By reason: `equal answers` of a prompt beyond the first; prompts without two different ones (`one answer`) or whose rewards are all alike (`all alike`). */
  dropped: Record<string, number>;
}

export const noneSampled = (): SampledCounts => ({ prompts: 0, rows: 0, answers: 0, dropped: {} });

/** The rows of some prompts, and the counts with them. `rewards`: one an answer; without them ranks stay open. */
export function sampledRows(
  prompts: readonly Tokens[],
  answers: readonly Answer[],
  rewards: Float64Array | undefined,
  isChat: boolean,
  before: SampledCounts,
): { rows: SampledRow[]; counts: SampledCounts } {
  const counts = { ...before, dropped: { ...before.dropped } };
  const drop = (reason: string, count: number) => {
    if (count > 0) counts.dropped[reason] = (counts.dropped[reason] ?? 0) + count;
  };
  const rows: SampledRow[] = [];
  for (const [n, prompt] of prompts.entries()) {
    const own = answers.flatMap((answer, at) => (answer.prompt === n ? [{ text: answer.text, reward: rewards?.[at] }] : []));
    const distinct = own.filter(({ text }, at) => own.findIndex((other) => other.text.trim() === text.trim()) === at);
    counts.prompts++;
    drop('equal answers', own.length - distinct.length);
    const alike = rewards !== undefined && new Set(distinct.map(({ reward }) => reward)).size < 2;
    if (distinct.length < 2) drop('one answer', 1);
    else if (alike) drop('all alike', 1);
    else rows.push({ prompt: promptOf(prompt, isChat), answers: ranked(distinct) });
  }
  counts.rows += rows.length;
  counts.answers += rows.reduce((sum, row) => sum + row.answers.length, 0);
  return { rows, counts };
}

/** Best first; answers with the same reward share a rank. */
function ranked(answers: readonly { text: string; reward: number | undefined }[]): SampledRow['answers'] {
  const levels = [...new Set(answers.map(({ reward }) => reward ?? 0))].sort((a, b) => b - a);
  return answers
    .toSorted((a, b) => (b.reward ?? 0) - (a.reward ?? 0))
    .map(({ text, reward }) => (reward === undefined ? { text, rank: null } : { text, rank: levels.indexOf(reward) + 1, reward }));
}

/** A chat's prompt goes through the chat template again; any other is written as the model saw it. */
function promptOf({ unit }: Tokens, isChat: boolean): unknown {
  const { prompt, messages } = unit?.columns ?? {};
  const given = prompt ?? messages;
  return isChat || Array.isArray(given) ? given : (unit?.prompt ?? '');
}
