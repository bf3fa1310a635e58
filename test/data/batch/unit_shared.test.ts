import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { columnsOf } from '../../../lib/data/batch/columns.js';
import { packBatch, sharedMicroBatches } from '../../../lib/data/batch/pack.js';
import { packShared } from '../../../lib/data/batch/pack_shared.js';
import { StepPlan } from '../../../lib/data/order/plan.js';
import type { Kind } from '../../../lib/data/rows/kinds.js';
import type { DatasetOptions } from '../../../lib/data/sequences/dataset.js';
import { loadDataset } from '../../../lib/data/sequences/load.js';
import { mismatchedRows } from '../../../lib/data/sequences/mismatched.js';
import { holdOut } from '../../../lib/data/sequences/split.js';
import type { Tokens } from '../../../lib/data/types.js';
import { openChat, openTokenizer } from '../../../lib/tokenizer/index.js';
import { rowsIn, sharedPath, stories260k, WITHOUT } from '../../support/shared.js';
import { failure, makeRoom } from '../room.js';

const at = (name: string) => join(sharedPath('data') ?? '', name);
const { write } = makeRoom();

/** The first rows of a file, changed where `change` says so. */
const some = (name: string, count: number, change: (row: Record<string, unknown>) => unknown = (row) => row) =>
  write(
    `${count}-${name.replaceAll('/', '-').replace(/\.gz$/, '')}`,
    rowsIn(at(name))
      .slice(0, count)
      .map((row) => `${JSON.stringify(change(row))}\n`)
      .join(''),
  );

describe.skipIf(stories260k === undefined)(`real preferences ${WITHOUT}`, async () => {
  if (stories260k === undefined) return;
  const tokenizer = await openTokenizer(stories260k);
  const chatml =
    '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';
  const chat = openChat({ chatTemplate: () => chatml, specialTokens: { eos_token: '</s>' } });
  const checks = { nothingTrained: 'drop', noStop: 'error', doubleBos: 'error', equalAnswers: 'error' } as const;
  const load = (path: string, kinds: Kind[], change: Partial<DatasetOptions> = {}) =>
    loadDataset({
      data: [{ path, weight: 1 }],
      tokenizer,
      template: 'auto',
      trained: 'answers',
      accepts: { method: 'it', kinds },
      chat,
      checks,
      maxLength: 1e9,
      overlong: 'split',
      ...change,
    });
  const answerOf = ({ ids, trained }: Tokens) => tokenizer.decode(ids.filter((_, i) => trained[i] === 1).slice(0, -1));

  it('hh-rlhf: both answers of every pair are trained, and only they', async () => {
    const path = some('preference/hh_helpful_dev.jsonl.gz', 300);
    const { sequences, counts } = await load(path, ['pairs']);
    expect(counts).toMatchObject({ in: 300, kept: 300, dropped: {}, pieces: 600, units: { pairs: 300 } });
    const rows = rowsIn(at('preference/hh_helpful_dev.jsonl.gz'));
    for (const [n, one] of sequences.entries()) {
      const row = rows[Math.floor(n / 2)];
      const answer = String(n % 2 === 0 ? row?.chosen : row?.rejected);
      const trained = answerOf(one);
      expect(trained.endsWith(answer)).toBe(true);
      expect(trained.length - answer.length).toBeLessThan(8); // at most the part of one token before the border
      expect([one.line, one.member]).toEqual([Math.floor(n / 2) + 1, n % 2]);
    }
  });

  it('hh-rlhf: an epoch of steps holds every pair once, and shares its prompts', async () => {
    const dataset = await load(some('preference/hh_helpful_dev.jsonl.gz', 200), ['pairs'], { maxLength: 512 });
    const { train, heldOut } = holdOut(dataset, 0.1);
    const plan = new StepPlan({ sequences: train, sources: dataset.sources }, { rowsPerStep: 8, epochs: 1, shuffle: true, seed: 3 });
    let [pairs, plain, shared] = [0, 0, 0];
    for (let rows = plan.next(); rows !== undefined; rows = plan.next()) {
      expect(rows.length).toBeLessThanOrEqual(16);
      for (const group of sharedMicroBatches(train, rows, 2048)) {
        const [one, other] = [packBatch(train, group), packShared(train, group)];
        expect(other.tokens.length).toBeLessThanOrEqual(2048);
        expect(other.trainedTokens).toBe(one.trainedTokens);
        pairs += group.length / 2;
        plain += one.tokens.length;
        shared += other.tokens.length;
      }
    }
    expect(2 * pairs + heldOut.length).toBe(dataset.sequences.length);
    expect(shared).toBeLessThan(0.8 * plain);
  });

  it('UltraFeedback: equal answers are found, or dropped where the recipe says so', async () => {
    const rows = rowsIn(at('preference/ultrafeedback_dev.jsonl.gz')).slice(0, 220);
    const path = some('preference/ultrafeedback_dev.jsonl.gz', 220);
    const equal = rows.flatMap(({ chosen, rejected }, n) => (chosen === rejected ? [n + 1] : []));
    expect(equal.length).toBeGreaterThan(0);
    expect(await failure(() => load(path, ['pairs']))).toMatchObject({ code: 'equal_answers', line: equal[0] });
    const { counts, sequences, warnings } = await load(path, ['pairs'], { checks: { ...checks, equalAnswers: 'drop' }, maxLength: 512 });
    expect(counts.dropped.equal_answers).toBe(equal.length);
    expect(counts.in).toBe(220);
    expect(counts.kept * 2).toBe(sequences.length);
    // 62 of 220 answers lie beyond 512 tokens: more than 5 %.
    expect(warnings.map(({ code }) => code)).toEqual(['many_dropped']);
    for (const { ids, trainedTokens, unit } of sequences) {
      expect(ids.length <= 512 && trainedTokens > 0).toBe(true);
      expect(unit?.columns).toEqual({ score_chosen: expect.any(Number), score_rejected: expect.any(Number) });
    }
  });

  it.each([
    ['kto/kto_demo_dev.jsonl.gz', 101, 110],
    ['kto/kto_from_liveqa_dev.jsonl.gz', 71, 198],
  ])('%s: thumbs, and rows with the answers of others', async (name, up, down) => {
    const { counts, sequences } = await load(at(name), ['thumbs', 'pairs']);
    expect(counts).toMatchObject({ in: up + down, kept: up + down, units: { up, down } });
    const step = Array.from({ length: 16 }, (_, n) => 3 * n);
    const others = mismatchedRows(sequences, step, 1e9);
    for (const [n, row] of step.entries()) {
      const [own, before, joined] = [sequences[row], sequences[step[(n + 15) % 16] ?? -1], others[n]] as [Tokens, Tokens, Tokens];
      expect([...joined.ids.subarray(0, own.promptLength)]).toEqual([...own.ids.subarray(0, own.promptLength)]);
      expect(joined.trainedTokens).toBe(before.trainedTokens);
    }
  });

  it('LiveQA: grades are rankings, whose pairs go from better to worse', async () => {
    type Graded = { question: string; answers: { grade: number; answer: string }[] };
    const path = some('preference/liveqa_med_graded_dev.jsonl.gz', 33, (row) => {
      const { question, answers } = row as unknown as Graded;
      return { prompt: question, answers: answers.map(({ grade, answer }) => ({ text: ` ${answer}`, rank: 5 - grade })) };
    });
    const { counts, sequences } = await load(path, ['pairs', 'rankings'], { maxLength: 256, checks: { ...checks, equalAnswers: 'drop' } });
    expect(counts.kept + Object.values(counts.dropped).reduce((sum, n) => sum + n, 0)).toBe(33);
    expect(counts.units?.rankings).toBe(counts.kept);
    const { group, rank = [] } = columnsOf(sequences, [...sequences.keys()]);
    let pairs = 0;
    for (let s = 1; s < group.length; s++) {
      const before = Array.from({ length: s }, (_, r) => r).filter((r) => group[r] === group[s]);
      for (const r of before) expect(rank[r]).toBeLessThanOrEqual(rank[s] ?? 0);
      pairs += before.filter((r) => rank[r] !== rank[s]).length;
    }
    expect(pairs).toBe(counts.units?.pairs);
  });

  it('LLMBar and GSM8K by a template of their own', async () => {
    const template = { prompt: '{prompt}\n\n', chosen: '{output_1}', rejected: '{output_2}' };
    const pairs = await load(at('preference/llmbar_dev.jsonl'), ['pairs'], { template });
    expect(pairs.counts).toMatchObject({ in: 259, kept: 259, units: { pairs: 259 } });
    const gsm = some('math/gsm8k_train.jsonl.gz', 50);
    const { sequences } = await load(gsm, ['prompts'], { template: { prompt: 'Q: {question}\nA:' } });
    expect(sequences.map(({ unit }) => unit?.columns.final)).toEqual(
      rowsIn(at('math/gsm8k_train.jsonl.gz'))
        .slice(0, 50)
        .map(({ final }) => final),
    );
    expect(sequences[0]?.unit?.prompt).toMatch(/^Q: .*\nA:$/s);
    expect(sequences.every(({ ids, trainedTokens }) => ids[0] === tokenizer.bos && trainedTokens === 0)).toBe(true);
  });
});
